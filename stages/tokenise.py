"""Words to text and text to words, for many languages and scripts.

A translator wants natural text, a tagger wants words. :func:`detokenise` joins the words of a
corpus into text; :func:`tokenise` splits text into words the way CoNLL-like corpora do: punctuation
stands alone, hyphenated words, numbers, abbreviations (``U.S.``) and web addresses stay whole,
French and Italian elisions (``l'``) and English clitics (``'s``) are words of their own.

Word boundaries inside anything that is not plainly one word come from ICU (Unicode Annex 29 with
dictionaries for Chinese, Japanese, Thai, Lao, Khmer and Burmese), abbreviations from the
non-breaking prefixes of sacremoses. Moses and spaCy were measured beside it on gold CoNLL and
MasakhaNER text (``benchmarks/translate/tokenisation.py``): Moses splits Hausa, Dutch and Swahili
words at apostrophes and Yoruba words at combining marks, spaCy splits English hyphens and has no
Swahili or Hausa.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

from pipeline.errors import DataError
from pipeline.formats.encoding import without_halves
from pipeline.formats.sentences import ORDINALS, abbreviations
from pipeline.formats.words import UNSPACED
from pipeline.languages import base, canonical
from pipeline.listed import words_of

_UNSPACED = re.compile(f"[{UNSPACED}]")
UNSPACED_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "km", "my", "yue", "shn", "dz", "bo"})
"""Languages whose words are joined without spaces."""

_ADDRESS = re.compile(r"(?:https?://|ftp://|www\.)\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.I)
_ACRONYM = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_APOSTROPHES = "'\u2019"
_JOINERS = frozenset("-\u2010\u2011\u05be'\u2019.,:/&@_+\u00b7\u02bc\u02b9=")
_RUNS = frozenset(".-*=_~`'\"\u1361")
# Several characters that are one sign: flags, and pictures with what changes or joins them.
_PICTURE = "[\u2190-\u2bff\U0001f000-\U0001faff]"
_CHANGED = "[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
_SIGN = re.compile(
    "[\U0001f1e6-\U0001f1ff]{2}"
    f"|{_PICTURE}{_CHANGED}*(?:\u200d{_PICTURE}{_CHANGED}*)+|{_PICTURE}{_CHANGED}+"
)
_ELISIONS = {
    "fr": re.compile(
        r"(?:[cdjlmnstçCJLMNSTÇ]|qu|Qu|(?:jusqu|lorsqu|puisqu|quoiqu|presqu|Jusqu|Lorsqu|Puisqu))['’]"
        r"|D['’](?=[^A-ZÉÈÀ])"
    ),
    "it": re.compile(
        r"(?:[lL]|[cdmnstvCMNSTV]|[uU]n|[qQ]uest|[qQ]uell|[dD]ov|[cC]om|[aA]nch|[tT]utt|[cC]'|"
        r"(?:[dD]|[nN]|[aA]|[sS]u|[dD]a|[cC]o)[ea]?ll)['’]"
    ),
    "ca": re.compile(r"[dlmnstDLMNST]['’]"),
    "oc": re.compile(r"(?:[dlmnstDLMNST]|[qQ]u)['’]"),
    "yo": re.compile(r"[lL]['’]"),
}
_CLITICS = re.compile(r"(?i)(.+?)(n['’]t|['’](?:s|re|ve|ll|d|m))")
# Words that begin with an apostrophe.
_SHORT_FORMS = {
    "nl": re.compile(r"(?i)['’](?:s|t|n|k|m|r|ie)\b"),
    "af": re.compile(r"(?i)['’]n\b"),
    "ha": re.compile(r"['’‘](?i:y)[^\W\d_]"),
    # The letter ʻokina, as keyboards have it.
    **dict.fromkeys(("haw", "sm", "to", "ty"), re.compile(r"['’‘][^\W\d_]")),
}
# Words that end with one: the Hebrew geresh, the Maltese għ, Uzbek gʻ and oʻ.
_ENDED = {
    **dict.fromkeys(("he", "yi"), re.compile(r".*[\u05d0-\u05ea]['’\u05f3]")),
    "mt": re.compile(r"(?i).*[aeiou]['’]"),
    "uz": re.compile(r"(?i).*[go]['’‘]"),
    "it": re.compile(r"(?i)(?:po|mo|be|va|fa|sta|da|di)['’]"),
}
_YEAR = re.compile(r"['’]\d\d(?!\d)")

_OPENING = frozenset("([{\u00bf\u00a1\u201e\u201a\u300c\u300e\u3008\u300a\u3010")
_CLOSING = frozenset(
    ".,;:!?)]}%\u2026\u300d\u300f\u3009\u300b\u3011\u3001\u3002\uff0c\u060c\u061b\u061f\u06d4\u0964\u104b\u17d4"
    # Greek, Armenian, N'Ko, Devanagari, Burmese, Ethiopic, Khmer, Mongolian, Ol Chiki
    "\u0387\u0589\u055d\u07f8\u07f9\u0965\u104a\u1361\u1362\u1363\u1364\u1365\u1366\u1367\u1368\u17d6\u1802\u1803\u1c7e\u1c7f"
)
_ENGLISH_CLITIC = re.compile(r"(?i)n['’]t|['’](?:s|re|ve|ll|d|m)")


def tokenise(text: str, lang: str) -> list[str]:
    """Split ``text`` into words.

    Nothing is lost but white space and invisible format characters that stand alone.

    Args:
        text: One or more sentences.
        lang: ISO 639 code; decides abbreviations, elisions and the dictionary.

    Raises:
        ConfigError: If there is no such language.
        DataError: If it is no string.
    """
    if not isinstance(text, str):
        raise DataError(f"tokenise takes one text, a string, not a {type(text).__name__}")
    lang = base(canonical(lang))
    chunks = text.split()
    words: list[str] = []
    last = len(chunks) - 1
    for index, chunk in enumerate(chunks):
        if chunk.isascii() and chunk.isalnum():
            words.append(chunk)
            continue
        following = chunks[index + 1][0] if index < last else ""
        after = "digit" if following.isdigit() else "word" if following else "end"
        words.extend(_chunk(chunk, lang, after))
    return words


def detokenise(words: Iterable[str], lang: str) -> str:
    """Join words into natural text: punctuation attached, quotation marks paired.

    Args:
        words: The words of one sentence; empty ones are passed over.
        lang: ISO 639 code; decides spaces before French punctuation, elisions and clitics.

    Raises:
        ConfigError: If there is no such language.
    """
    lang = base(canonical(lang))
    words = [w for w in words_of(words, "detokenise: the words") if w]
    parts: list[str] = []
    glue = True  # whether the next word follows without a space
    open_quotes: set[str] = set()
    for index, word in enumerate(words):
        before, after = _attachment(word, index, words, lang, open_quotes)
        if parts and not (glue or before or _unspaced_joint(words[index - 1], word, lang)):
            parts.append(" ")
        parts.append(word)
        glue = after
    return "".join(parts)


def _attachment(
    word: str, index: int, words: Sequence[str], lang: str, open_quotes: set[str]
) -> tuple[bool, bool]:
    """Return whether a word is attached to the one before it and to the one after it."""
    first = word[0]
    if word in ('"', "``", "''", "'", "\u2019", "\u201c", "\u201d", "\u2018", "\u00ab", "\u00bb"):
        return _quote(word, index, words, lang, open_quotes)
    if first in _OPENING and len(word) == 1:
        return False, True
    if word == "%" and words[index + 1 : index + 2] and words[index + 1][0].isdigit():
        after_number = index > 0 and words[index - 1][-1].isdigit()
        return after_number, not after_number  # 5 % or, in Turkish and Basque, %5
    if first in _CLOSING and all(c in _CLOSING for c in word):
        return not (lang == "fr" and first in ";:!?%"), False
    if word in ("$", "\u00a3", "#") and index + 1 < len(words) and words[index + 1][0].isdigit():
        return False, True
    if lang == "en" and index and _ENGLISH_CLITIC.fullmatch(word):
        return True, False
    elision = _ELISIONS.get(lang)
    if elision and word[-1] in _APOSTROPHES and len(word) > 1 and elision.match(word):
        return False, True
    return False, False


def _quote(
    word: str, index: int, words: Sequence[str], lang: str, open_quotes: set[str]
) -> tuple[bool, bool]:
    if word in ("\u00ab", "\u00bb"):
        if lang == "fr":  # French sets guillemets off with spaces
            return False, False
        # «so» in most languages, »so« in German books: whichever comes first opens.
        guillemets = open_quotes & {"\u00ab", "\u00bb"}
        if guillemets:
            open_quotes -= guillemets
            return True, False
        open_quotes.add(word)
        return False, True
    if word in ("\u201c", "\u201d"):
        low = "\u201e" in words[:index] and word == "\u201c"  # „ … “
        opening = word == "\u201c" and not low and word not in open_quotes
    elif word in ("\u2018", "``"):
        opening = True
    elif word == "''":
        opening = "``" not in words and word not in open_quotes
    elif word in _APOSTROPHES and lang == "en" and word not in open_quotes:
        # A possessive (boys ') or an opening quotation mark?
        possessive = index > 0 and words[index - 1][-1:] in ("s", "z", "x")
        opening = not possessive or word in words[index + 1 :]
    elif word == "\u2019":
        opening = False
    else:
        opening = word not in open_quotes
    if opening:
        open_quotes.add(word)
        return False, True
    open_quotes.discard(word)
    return True, False


def _unspaced_joint(left: str, right: str, lang: str) -> bool:
    """Return whether two words are joined because of their script."""
    if lang not in UNSPACED_LANGUAGES:
        return False
    return bool(_UNSPACED.match(left[-1]) or _UNSPACED.match(right[0])) or not (
        left[-1].isalnum() and right[0].isalnum()
    )


@lru_cache(maxsize=1 << 16)
def _chunk(chunk: str, lang: str, after: str) -> tuple[str, ...]:
    """Split a run of characters without white space."""
    if _is_plain(chunk, lang):
        return (chunk,)
    if not any(_is_visible(c) for c in chunk):
        return ()
    start, end = 0, len(chunk)
    address = _ADDRESS.match(chunk)
    if address:
        body = address.group().rstrip(".,;:!?)\"'»”]")
        return (body, *(_chunk(chunk[len(body) :], lang, after) if body != chunk else ()))
    left: list[str] = []
    right: list[str] = []
    head = tail = ""  # marks that belong to the first and the last word
    while start < end and not _is_wordlike(chunk[start]):
        if _begins_word(chunk, start, end, lang):
            head, start = chunk[start], start + 1
            break
        stop = _run_end(chunk, start, end)
        left.append(chunk[start:stop])
        start = stop
    while end > start and not _is_wordlike(chunk[end - 1]):
        opened = chunk[end - 1] in _APOSTROPHES and chunk[end - 1] in left
        if not opened and _ends_word(chunk[start:end], lang, after):
            end, tail = end - 1, chunk[end - 1]
            break
        stop = _run_start(chunk, start, end)
        if chunk[end - 1] in ",;:":
            after = "word"
        right.append(chunk[stop:end])
        end = stop
    if head and _ENGLISH_CLITIC.fullmatch(head + chunk[start:end]):
        middle = [chunk[start:end]]
    else:
        middle = list(_middle(chunk[start:end], lang)) if start < end else [""]
    middle[0] = head + middle[0]
    middle[-1] += tail
    words = (*left, *middle, *reversed(right))
    return tuple(word for word in words if any(_is_visible(c) for c in word))


def _is_plain(chunk: str, lang: str) -> bool:
    if not chunk.isalnum():
        return False
    # A stray ideograph within a Latin word is damaged text, not Chinese.
    stray = lang not in UNSPACED_LANGUAGES and any(c.isascii() and c.isalpha() for c in chunk)
    return stray or not _UNSPACED.search(chunk)


def _is_visible(char: str) -> bool:
    return unicodedata.category(char) not in ("Cf", "Cc", "Co", "Cn")


def _is_wordlike(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char) in ("Mn", "Mc", "Me", "Cf", "Cc")


def _begins_word(chunk: str, start: int, end: int, lang: str) -> bool:
    """Return whether the mark at ``start`` belongs to the word after it."""
    char = chunk[start]
    following = chunk[start + 1] if start + 1 < end else ""
    if char in "+-.\u2212" and following.isdigit():
        return True
    if char in "@#&" and (following.isalnum() or following == "#"):
        return True
    if char in "'\u2019\u2018":
        if _YEAR.match(chunk, start):
            return True
        short = _SHORT_FORMS.get(lang)
        if short is not None and short.match(chunk, start):
            return True
        return lang == "en" and _ENGLISH_CLITIC.fullmatch(chunk, start, end) is not None
    return False


def _ends_word(core: str, lang: str, after: str) -> bool:
    """Return whether the mark at the end of ``core`` belongs to the word before it."""
    char, body = core[-1], core[:-1]
    if not body:
        return False
    if char == ".":
        return _is_abbreviation(body, lang, after)
    ended = _ENDED.get(lang)
    if ended is not None and ended.fullmatch(core):
        return True
    if char in _APOSTROPHES:
        elision = _ELISIONS.get(lang)
        return elision is not None and elision.fullmatch(core) is not None
    if char in "-+":
        return body[-1].isalnum() and after != "end"
    if char == ";" and body[0] == "&":
        return re.fullmatch(r"&#?\w+;", core) is not None
    return False


def _is_abbreviation(body: str, lang: str, after: str) -> bool:
    if body[-1] == ".":
        return False
    if _ACRONYM.fullmatch(body):
        return True
    if after == "end":
        return False
    if len(body) == 1 and body.isalpha():
        return True
    if _NUMBER.fullmatch(body):
        return lang in ORDINALS and body.isdigit()
    always, before_digit = abbreviations(lang)
    return body in always or (after == "digit" and body in before_digit)


def _run_end(chunk: str, start: int, end: int) -> int:
    sign = _SIGN.match(chunk, start, end)
    if sign:
        return sign.end()
    stop = start + 1
    if chunk[start] in _RUNS:
        while stop < end and chunk[stop] == chunk[start]:
            stop += 1
    return stop


def _run_start(chunk: str, start: int, end: int) -> int:
    for sign in _SIGN.finditer(chunk, start, end):
        if sign.end() == end:
            return sign.start()
    stop = end - 1
    if chunk[end - 1] in _RUNS:
        while stop > start and chunk[stop - 1] == chunk[end - 1]:
            stop -= 1
    return stop


def _middle(core: str, lang: str) -> Iterator[str]:
    """Split what is left between outer punctuation."""
    elision = _ELISIONS.get(lang)
    match = elision.match(core) if elision else None
    if match and match.end() < len(core) and core[match.end()].isalpha():
        yield match.group()
        core = core[match.end() :]
    clitic = _CLITICS.fullmatch(core) if lang == "en" else None
    if clitic:
        yield from _segments(clitic.group(1), lang)
        yield clitic.group(2)
        return
    yield from _segments(core, lang)


def _segments(core: str, lang: str) -> Iterator[str]:
    if _is_plain(core, lang):
        yield core
        return
    pieces = _broken(core, lang)
    word = ""
    index = 0
    while index < len(pieces):
        piece = pieces[index]
        if not word:
            word = piece
        elif _joined(word, piece, pieces[index + 1] if index + 1 < len(pieces) else ""):
            word += piece
        else:
            yield word
            word = piece
        index += 1
    if word:
        yield word


def _broken(core: str, lang: str) -> list[str]:
    """Return the segments that ICU finds."""
    from icu4py.breakers import WordBreaker

    try:
        return [str(piece) for piece in WordBreaker(core, lang)]
    except UnicodeEncodeError:
        # Half a surrogate pair, which is no character: ICU gets the mark for that in its place.
        ends = list(accumulate(len(str(p)) for p in WordBreaker(without_halves(core), lang)))
        return [core[a:b] for a, b in pairwise([0, *ends])]


def _joined(word: str, piece: str, following: str) -> bool:
    """Return whether ``piece`` continues ``word``."""
    left, right = word[-1], piece[0]
    if word == piece[0] * len(word) and left in _RUNS and piece == left:
        return True  # an ellipsis or dash of several characters
    if _UNSPACED.match(left) or _UNSPACED.match(right):
        return False
    if right in _JOINERS or (right == "\u2013" and left.isdigit()):
        # A joiner needs a word on both sides: well-known, 1/2, R/P, AT&T, 20:00.
        if not (_is_wordlike(left) and following and _is_wordlike(following[0])):
            return False
        return right not in ",:" or (left.isdigit() and following[0].isdigit())
    if left in _JOINERS or left == "\u2013" or (left in "#&+." and len(word) == 1):
        before = word[-2:-1]
        return _is_wordlike(right) and (_is_wordlike(before) if before else left in "+-.@#&\u2212")
    return False
