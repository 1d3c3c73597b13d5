# Counts sentences, tokens and spans per type of a two-or-more-column file; -v col=N -v FS=… -v u=1.
u && /^#/ { next }
/^[ \t\r]*$/ { if (open) sentences++; open = 0; before = ""; next }
{
    open = 1; tokens++; tag = col ? $col : $NF
    type = substr(tag, 3)
    if (tag ~ /^B-/ || (tag ~ /^I-/ && type != before)) spans[type]++
    before = (tag == "O") ? "" : type
}
END {
    print "sentences", sentences + open; print "tokens", tokens
    for (type in spans) print "span:" type, spans[type]
}
