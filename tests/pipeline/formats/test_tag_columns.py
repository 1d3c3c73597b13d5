"""Which column holds the tags, how they are spelled, and what ends a sentence."""

# ruff: noqa: E501  (tables of small files)

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.formats import detect_format
from tests.pipeline.formats.helpers import brief, read, save, stream

WORDS = (["Eva", "Mai", "saw", "Ulm", "."], ["Then", "Ufa", "Inc", "fell", "."])
TAGS = ("B-PER I-PER O B-LOC O", "O B-ORG I-ORG O O")
SPANS = ([(0, 2, "PER"), (3, 4, "LOC")], [(1, 3, "ORG")])
RIGHT = list(zip(map(list, WORDS), SPANS, strict=True))


def spelled(change: dict[str, str], *, lower: bool = False) -> str:
    """The two sentences, with their tags changed."""
    rows = []
    for words, tags in zip(WORDS, TAGS, strict=True):
        for word, tag in zip(words, tags.split(), strict=True):
            prefix, _, kind = tag.partition("-")
            new = change.get("O", "O") if not kind else change["B"].format(p=prefix, t=kind)
            rows.append(f"{word}\t{new.lower() if lower else new}\n")
        rows.append("\n")
    return "".join(rows)


@pytest.mark.parametrize("outside", ["O", "o", "0", "_", "-", "", "OUT"])
@pytest.mark.parametrize(
    "inside", ["{p}-{t}", "{p}_{t}", "{p}:{t}", "{p}/{t}", "{p}.{t}", "{t}-{p}", "{t}_{p}", "{t}"]
)
def test_spellings(outside: str, inside: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", spelled({"O": outside, "B": inside}))
    found = stream(path)
    assert brief(found) == RIGHT
    assert found.report.scheme == ("io" if inside == "{t}" else "iob2")
    assert not found.report.repaired_tags


@pytest.mark.parametrize("outside", ["NONE", "None", "OTHER", "other", "null"])
def test_words_for_outside_beside_prefixes_alone(outside: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", spelled({"O": outside, "B": "{p}-{t}"}))
    found = stream(path)
    assert brief(found) == RIGHT and f"outside {outside!r}" in found.report.summary()
    with pytest.raises(DataError, match="no column holds tags"):  # a type, perhaps
        read(save(path, spelled({"O": outside, "B": "{t}"})))


@pytest.mark.parametrize("inside", ["{p}-{t}", "{p}_{t}", "{t}-{p}"])
def test_small_letters(inside: str, tmp_path: Path) -> None:
    text = spelled({"B": inside}, lower=True)
    found = stream(save(tmp_path / "a.txt", text))
    assert brief(found) == RIGHT
    assert "outside 'o'" in str(found.report.notation)
    # The letters of types that were written in small letters beside a capital O are kept.
    (first, _) = read(save(tmp_path / "b.txt", text.replace("\to\n", "\tO\n")))
    assert {s.type for s in first.spans} == {"per", "loc"}


@pytest.mark.parametrize("lower", [False, True])
def test_bare_prefixes_have_the_type_of_the_config(lower: bool, tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", spelled({"B": "{p}"}, lower=lower))
    one = [(w, [(a, b, "GENE") for a, b, _ in s]) for w, s in RIGHT]
    assert brief(read(path, entity_type="GENE")) == one
    assert {s.type for x in read(path) for s in x.spans} == {"ENTITY"}


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("bioes", "b-per e-per o s-loc o"),
        ("bilou", "b-per l-per o u-loc o"),
        ("bioes", "B_PER E_PER O S_LOC O"),
        ("bioes", "PER-B PER-E O LOC-S O"),
        ("bioes", "B-PER E-PER 0 W-LOC 0"),
        ("iob1", "I_PER I_PER O I_LOC O"),
        ("iob2", "B\u2013PER I\u2013PER O B\u2013LOC O"),
        ("iob2", "B#PER I#PER O B#LOC O"),
    ],
)
def test_schemes_in_other_spellings(scheme: str, tags: str, tmp_path: Path) -> None:
    rows = [f"{w} {t}\n" for w, t in zip(WORDS[0], tags.split(), strict=True)]
    found = stream(save(tmp_path / "a.txt", "".join(rows)))
    assert brief(found) == RIGHT[:1]
    assert found.report.scheme == scheme


def test_brackets(tmp_path: Path) -> None:
    rows = "Eva (PER*\nMai *)\nsaw *\nUlm (LOC)\n. *\n\nThen *\nUfa (ORG*\nInc *)\nfell *\n. *\n"
    assert brief(read(save(tmp_path / "a.txt", rows))) == RIGHT
    for row, new, line, why in (
        ("Mai *)", "Mai (LOC*", 2, "opens an entity within one of type PER"),
        ("Ulm (LOC)", "Ulm *)", 4, "closes an entity, but none is open"),
        ("Mai *)", "Mai *", 4, "opens an entity within one of type PER"),
        ("Ulm (LOC)", "Ulm (ORG(LOC*", 4, "holds 2 tags"),
        ("Ulm (LOC)", "Ulm LOC)", 4, "is neither"),
        (". *\n\n", ". (LOC*\n\n", 5, "is the last, and the entity of type LOC is not closed"),
    ):
        path = save(tmp_path / "b.txt", rows.replace(row, new, 1))
        with pytest.raises(DataError, match=rf"b\.txt:{line}: .*{why}"):
            read(path)


def test_ontonotes_rows_have_as_many_columns_as_predicates(tmp_path: Path) -> None:
    rows = (
        "#begin document (bc/x); part 000\n"
        "bc/x 0 0 Eva NNP (TOP(S(NP* - - - Al (PER* (ARG0* -\n"
        "bc/x 0 1 Mai NNP *) - - - Al *) *) (1)\n"
        "bc/x 0 2 saw VBD (VP* see 01 1 Al * (V*) -\n\n"
        "bc/x 0 0 Ulm NNP (TOP* - - - Al (LOC) -\n\n#end document\n"
    )
    found = read(save(tmp_path / "a.v4_gold_conll", rows))
    assert brief(found) == [
        (["Eva", "Mai", "saw"], [(0, 2, "PER")]),
        (["Ulm"], [(0, 1, "LOC")]),
    ]


@pytest.mark.parametrize("cell", ["B-LOC|B-ORG", "B-LOC,B-ORG", "B-LOC/B-ORG", "B-LOC B-ORG"])
def test_several_tags_in_a_cell_are_refused(cell: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", spelled({"B": "{p}-{t}"}).replace("B-LOC", cell))
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}:4: tag {cell!r} holds 2 tags, and a word can have one: keep one of them, or name "
        "the column of the tags you want as tag_column"
    )


@pytest.mark.parametrize("header", ["", "utterance\tslots\n"])
def test_a_sentence_per_row_is_a_table_by_its_header(header: str, tmp_path: Path) -> None:
    rows = "".join(f"{' '.join(w)}\t{t}\n" for w, t in zip(WORDS, TAGS, strict=True))
    path = save(tmp_path / "a.tsv", header + rows)
    with pytest.raises(DataError, match=r"a\.tsv:1: a sentence per row.* \(text, tags; separated"):
        read(path)
    assert brief(read(save(path, f"text\ttags\n{rows}"))) == RIGHT  # as the error says


def test_another_sign_for_outside_is_read_and_counted(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", spelled({"B": "{p}-{t}"}).replace("fell\tO", "fell\t0"))
    found = stream(path)
    assert brief(found) == RIGHT
    assert found.report.repaired_tags == {"odd_outside": 1}
    assert found.report.examples == {"odd_outside": [f"{path}:10"]}


LAYOUTS = {
    "CoNLL-2003": "-DOCSTART- -X- O O\n\nEva NNP I-NP I-PER\nMai NNP I-NP I-PER\nsaw VBD I-VP O\n"
    "Ulm NNP I-NP I-LOC\n. . O O\n",
    "CoNLL-2003, German": "-DOCSTART- -X- -X- -X- O\n\nEva Eva NE I-NC I-PER\nMai Mai NE I-NC I-PER\n"
    "saw see VV I-VC O\nUlm Ulm NE I-NC I-LOC\n. . $. O O\n",
    "GermEval 2014": "#\thttp://example.org [2014]\n1\tEva\tB-PER\tO\n2\tMai\tI-PER\tB-LOC\n"
    "3\tsaw\tO\tO\n4\tUlm\tB-LOC\tO\n5\t.\tO\tO\n",
    "conlleval": "Eva NNP I-NP B-PER B-PER\nMai NNP I-NP I-PER I-PER\nsaw VBD I-VP O B-LOC\n"
    "Ulm NNP I-NP B-LOC B-LOC\n. . O O O\n",
    "conlleval with parts of speech": "Eva NN B-PER B-PER\nMai NN I-PER I-PER\nsaw VB O O\nUlm NN B-LOC O\n. . O O\n",
    "conlleval of two columns": "Eva B-PER B-PER\nMai I-PER I-PER\nsaw O O\nUlm B-LOC B-ORG\n. O O\n",
    "HIPE-2022": "TOKEN\tNE-COARSE-LIT\tNE-COARSE-METO\tNE-FINE-LIT\tNEL-LIT\tMISC\n"
    "# hipe2022:document_id = d\nEva\tB-PER\tO\tB-PER.ind\tQ1\t_\n"
    "Mai\tI-PER\tO\tI-PER.ind\tQ1\t_\n# hipe2022:segment = 2\nsaw\tO\tB-LOC\tO\t_\tEndOfLine\n"
    "Ulm\tB-LOC\tO\tB-LOC.adm\tQ2\tNoSpaceAfter\n.\tO\tO\tO\t_\tEndOfSentence\n",
    "NER= of MISC": "1\tEva\t_\tX\t_\t_\t2\tdep\t_\tNER=B-PER\n2\tMai\t_\tX\t_\t_\t0\troot\t_\t"
    "SpaceAfter=No|NER=I-PER\n3\tsaw\t_\tX\t_\t_\t2\tdep\t_\t_\n"
    "4\tUlm\t_\tX\t_\t_\t2\tdep\t_\tNER=B-LOC\n5\t.\t_\tX\t_\t_\t2\tdep\t_\tSpaceAfter=No\n",
    "name= of MISC": "1\tEva\t_\tX\t_\t_\t2\tdep\t_\tname=B-PER\n2\tMai\t_\tX\t_\t_\t0\troot\t_\t"
    "SpaceAfter=No|name=I-PER\n3\tsaw\t_\tX\t_\t_\t2\tdep\t_\tname=O\n"
    "4\tUlm\t_\tX\t_\t_\t2\tdep\t_\tname=B-LOC\n5\t.\t_\tX\t_\t_\t2\tdep\t_\tname=O\n",
    "CoNLL-U Plus": "# global.columns = ID FORM CHUNK NER\n1\tEva\tB-NP\tB-PER\n2\tMai\tI-NP\tI-PER\n"
    "3\tsaw\tB-VP\tO\n4\tUlm\tB-NP\tB-LOC\n5\t.\tO\tO\n",
    "header": "token\tpos\tlabel\nEva\tNE\tB-PER\nMai\tNE\tI-PER\nsaw\tVV\tO\nUlm\tNE\tB-LOC\n.\tY\tO\n",
    "header of a table": 'Sentence #,Word,POS,Tag\nSentence: 1,Eva,NN,B-PER\n,Mai,NN,I-PER\n,saw,V,O\n'
    ',Ulm,NN,B-LOC\n,.,".",O\n',
    "spaces in every row": "Sentence #,Word,POS,Tag\nSentence: 1,Eva,NN,B-PER\nSentence: 1,Mai,NN,I-PER\n"
    "Sentence: 1,saw,V,O\nSentence: 1,Ulm,NN,B-LOC\nSentence: 1,.,Y,O\n",
    "header in a comment": "#word\ttag\nEva\tB-PER\nMai\tI-PER\nsaw\tO\nUlm\tB-LOC\n.\tO\n",
    "index of a table": ",sent_id,words,labels\n0,7,Eva,B-PER\n1,7,Mai,I-PER\n2,7,saw,O\n3,7,Ulm,B-LOC\n"
    "4,7,.,O\n",
    "quoted": '"token","label"\n"Eva","B-PER"\n"Mai","I-PER"\n"saw","O"\n"Ulm","B-LOC"\n".","O"\n',
    "quoted between tabs": '"token"\t"label"\n"Eva"\t"B-PER"\n"Mai"\t"I-PER"\n"saw"\t"O"\n"Ulm"\t"B-LOC"\n"."\t"O"\n',
    "spaces at the end": "Eva\tB-PER \nMai\tI-PER \nsaw\tO \nUlm\tB-LOC \n.\tO \n",
    "one letter less": "Eva BPER\nMai IPER\nsaw O\nUlm BLOC\n. O\n",
    "another key beside": "1\tEva\t_\tX\t_\t_\t2\tdep\t_\tNER=B-PER|Outer=B-ORG\n2\tMai\t_\tX\t_\t_\t0\troot\t_\t"
    "NER=I-PER|Outer=O\n3\tsaw\t_\tX\t_\t_\t2\tdep\t_\t_\n4\tUlm\t_\tX\t_\t_\t2\tdep\t_\tNER=B-LOC\n"
    "5\t.\t_\tX\t_\t_\t2\tdep\t_\t_\n",
    "WikiNER": "Eva|NN|B-PER Mai|NN|I-PER saw|VB|O Ulm|NN|B-LOC .|.|O\n",
    "slashes": "Eva/B-PER Mai/I-PER saw/O Ulm/B-LOC ./O\n",
    "commas and spaces": "Eva, B-PER\nMai, I-PER\nsaw, O\nUlm, B-LOC\n., O\n",
    "semicolons": "Eva;B-PER\nMai;I-PER\nsaw;O\nUlm;B-LOC\n.;O\n",
    "tag first": "B-PER\tEva\nI-PER\tMai\nO\tsaw\nB-LOC\tUlm\nO\t.\n",
    "MultiCoNER": "# id a-1\tdomain=en\nEva _ _ B-PER\nMai _ _ I-PER\nsaw _ _ O\nUlm _ _ B-LOC\n. _ _ O\n",
    "scores": "Eva\tB-PER\t0.9\nMai\tI-PER\t0.8\nsaw\tO\t1.0\nUlm\tB-LOC\t0.3\n.\tO\t1.0\n",
    "two tabs": "Eva\t\tB-PER\nMai\tI-PER\nsaw\t\t\tO\nUlm\tB-LOC\n.\t\tO\n",
    "document": "d7\tEva\tB-PER\nd7\tMai\tI-PER\nd7\tsaw\tO\nd7\tUlm\tB-LOC\nd7\t.\tO\nd7\t!\tO\n",
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name: str, tmp_path: Path) -> None:
    found = read(save(tmp_path / "a.txt", LAYOUTS[name]))
    words = [w for s in found for w in s.words if w != "!"]
    assert words == WORDS[0]
    assert brief(found)[0][1] == SPANS[0]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (['""""', '"5"" nails"', "Ulm"], ['"', '5" nails', "Ulm"]),  # as pandas and Excel write it
        (['"', '"fell"', "Ulm"], ['"', '"fell"', "Ulm"]),
        (['""', '"""', '"so"'], ['""', '"""', '"so"']),
        (['"so"', "it", '"is"'], ['"so"', "it", '"is"']),
    ],
)
def test_quotation_marks_between_tabs(cells: list[str], words: list[str], tmp_path: Path) -> None:
    rows = "".join(f"{cell}\t{tag}\n" for cell, tag in zip(cells, ("O", "O", "B-LOC"), strict=True))
    found = stream(save(tmp_path / "a.tsv", rows))
    assert brief(found) == [(words, [(2, 3, "LOC")])]
    assert ("in quotation marks" in (found.report.layout or "")) == (words != cells)


def test_columns_that_nothing_decides_are_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "Eva B-PER NE B-NP\nfell O VV B-VP\nMai B-LOC NE B-NP\n")
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}: 2 columns hold tags: column 1 ('B-PER', 'B-LOC'); column 3 ('B-NP', 'B-VP'); "
        "say which, for example tag_column: 1"
    )
    assert {s.type for s in read(path, tag_column=1)[0].spans} == {"PER", "LOC"}
    # Chunks are no example of entities.
    nested = "Uni\tB-NP\tB-ORG\tO\nUlm\tI-NP\tI-ORG\tB-LOC\nfell\tB-VP\tO\tO\n"
    with pytest.raises(DataError, match="3 columns hold tags: .*, for example tag_column: 2"):
        read(save(path, nested))


def test_entities_that_come_late_decide_all_the_same(tmp_path: Path) -> None:
    rows = "".join(f"w{i} NN O O\n" + "\n" * (i % 20 == 0) for i in range(1, 3001))
    late = save(tmp_path / "a.txt", rows + "Eva NN B-PER O\nfell VB O O\n")
    assert brief(read(late))[-1] == (["Eva", "fell"], [(0, 1, "PER")])
    last = save(tmp_path / "b.txt", rows + "Eva NN O B-PER\nfell VB O O\n")
    assert brief(read(last))[-1] == (["Eva", "fell"], [(0, 1, "PER")])


def test_chunks_are_no_tags_where_no_word_is_an_entity(tmp_path: Path) -> None:
    rows = "It PRP B-NP O\nfell VBD B-VP O\n. . O O\n"
    found = stream(save(tmp_path / "a.txt", rows))
    assert brief(found) == [(["It", "fell", "."], [])]
    assert str(found.report.layout).endswith("tag in column 3 of 4, as in CoNLL-2003")
    path = save(tmp_path / "b.txt", "It O PRP B-NP\nfell O VBD B-VP\n. O . O\n")
    with pytest.raises(DataError, match="2 columns hold tags: column 1 .*column 3 .*tag_column: 1"):
        read(path)
    scored = save(tmp_path / "d.txt", "It PRP B-NP B-NP\nfell VBD B-VP B-NP\n. . O O\n")
    assert str(stream(scored).report.layout).endswith(
        "column 2 of 4, as in conlleval output (gold)"
    )
    alone = save(tmp_path / "c.txt", "It PRP B-NP\nfell VBD B-VP\n. . O\n")
    assert {s.type for s in read(alone)[0].spans} == {"NP", "VP"}


NO_TAGS = {
    "angles": "Eva <B-PER>\nsaw <O>\nfell <O>\n",
    "treebank": "1\tEva\teva\tX\t_\t_\t2\tnsubj\t_\t_\n2\tfell\tfall\tX\t_\t_\t0\troot\t_\tSpaceAfter=No\n",
    "parts of speech": "Eva NNP\nsaw VBD\nUlm NNP\n. .\n",
    "parts of speech with O": "she O\nruns V\nhome N\nhe O\nhas V\nit O\n",
    "lemmas": "Eva Eva\nsaw see\nUlm Ulm\n",
    "long prefixes": "Eva BEGIN-PER\nMai INSIDE-PER\nsaw O\nfell O\n",
    "an answer for a type": "1\tEva\teva\tX\t_\t_\t2\tx\t_\tNamedEntity=Yes\n2\tfell\tfall\tX\t_\t_\t0\troot\t_\t_\n",
    "predicates": "1\tEva\tSBJ\t_\t_\n2\tfell\tROOT\tY\tfall.01\n3\t.\tP\t_\t_\n",
    "two prefixes": "Eva B-B-PER\nsaw O\nUlm B-B-LOC\n",
    "text": "Eva saw it\nThen Ufa fell down\n",
    "numbers": "Eva 1\nsaw 0\nUlm 5\n. 0\n",
}


@pytest.mark.parametrize("name", NO_TAGS)
def test_a_file_without_tags_is_refused_by_its_columns(name: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", NO_TAGS[name])
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "no column holds tags (column 0 has '" in str(error.value)
    assert "Eva" in str(error.value) or "she" in str(error.value)


@pytest.mark.parametrize("odd", ["B_LOC", "b-loc", "LOC-B", "LOC", "B-", "B-B-LOC", "NN", "???"])
def test_a_tag_unlike_the_others_is_named(odd: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", f"Eva B-PER\nMai I-PER\nsaw O\nUlm {odd}\n. O\n")
    with pytest.raises(
        DataError, match=rf"a.txt:4: tag {re.escape(repr(odd))} is not in the scheme"
    ):
        read(path)


def test_a_header_of_unknown_names_is_asked_about(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "palabra\tetiqueta\nEva\tB-PER\nfell\tO\n")
    with pytest.raises(DataError, match=r"a.txt:1: .*set tag_column: etiqueta"):
        read(path)
    assert brief(read(path, tag_column="etiqueta")) == [(["Eva", "fell"], [(0, 1, "PER")])]


@pytest.mark.parametrize("names", ["word,pos", "Token,Lemma,UPOS", "sent_id,form"])
def test_a_header_above_words_without_tags_is_no_word(tmp_path: Path, names: str) -> None:
    count = names.count(",") + 1
    rows = [["1", "Eva"], ["1", "fell"], [], ["2", "Ulm"], ["2", "rained"]]
    if not names.startswith("sent"):
        rows = [[row[1], *["x"] * (count - 1)] if row else row for row in rows]
    path = save(tmp_path / "a.csv", "\n".join([names, *map(",".join, rows), ""]))
    assert [s.words for s in read(path, labelled=False)] == [["Eva", "fell"], ["Ulm", "rained"]]
    with pytest.raises(DataError, match="no column holds tags"):
        read(path)


# -- sentences ---------------------------------------------------------------------------------

SENTENCES = {
    "number": "1\tEva\tB-PER\n1\tfell\tO\n1\t.\tO\n2\tUlm\tB-LOC\n2\train\tO\n9\tUfa\tB-ORG\n",
    "number behind": "Eva\tB-PER\t1\nfell\tO\t1\n.\tO\t1\nUlm\tB-LOC\t2\nrain\tO\t2\nUfa\tB-ORG\t3\n",
    "number and position": "1\t1\tEva\tB-PER\n1\t2\tfell\tO\n1\t3\t.\tO\n2\t1\tUlm\tB-LOC\n2\t2\train\tO\n"
    "3\t1\tUfa\tB-ORG\n",
    "short name": "a\tEva\tB-PER\na\tfell\tO\na\t.\tO\nb\tUlm\tB-LOC\nb\train\tO\nc\tUfa\tB-ORG\n",
    "name": "d-1\tEva\tB-PER\nd-1\tfell\tO\nd-1\t.\tO\nd-2\tUlm\tB-LOC\nd-2\train\tO\nd-3\tUfa\tB-ORG\n",
    "ids that restart": "1\tEva\tB-PER\n2\tfell\tO\n3\t.\tO\n1\tUlm\tB-LOC\n2\train\tO\n1\tUfa\tB-ORG\n",
    "mark": "Eva B-PER\nfell O\n. O\nEndOfSentence\nUlm B-LOC\nrain O\nEndOfSentence\nUfa B-ORG\n",
    "mark with a tag": "Eva B-PER\nfell O\n. O\nEndOfSentence O\nUlm B-LOC\nrain O\nEndOfSentence O\n"
    "Ufa B-ORG\n",
    "flag": "Eva\tB-PER\t_\nfell\tO\t_\n.\tO\tEndOfSentence\nUlm\tB-LOC\t_\n"
    "rain\tO\tEndOfLine|EndOfSentence\nUfa\tB-ORG\t_\n",
    "name behind": "Eva\tB-PER\td-1\nfell\tO\td-1\n.\tO\td-1\nUlm\tB-LOC\td-2\nrain\tO\td-2\nUfa\tB-ORG\td-3\n",
    "number within documents": "d\t1\tEva\tB-PER\nd\t1\tfell\tO\nd\t1\t.\tO\nd\t2\tUlm\tB-LOC\nd\t2\train\tO\n"
    "e\t2\tUfa\tB-ORG\n",
    "number of the first word": "Sentence #,Word,Tag\nSentence: 1,Eva,B-PER\nNaN,fell,O\nNaN,.,O\n"
    "Sentence: 2,Ulm,B-LOC\nNaN,rain,O\nSentence: 3,Ufa,B-ORG\n",
    "header": "sentence_id,word,ner\na,Eva,B-PER\na,fell,O\na,.,O\nb,Ulm,B-LOC\nb,rain,O\nc,Ufa,B-ORG\n",
    "document starts": "-DOCSTART-\nEva B-PER\nfell O\n. O\n-DOCSTART- (2)\nUlm B-LOC\nrain O\n"
    "-docstart- O\nUfa B-ORG\n",
}  # fmt: skip


@pytest.mark.parametrize("name", SENTENCES)
def test_sentence_borders(name: str, tmp_path: Path) -> None:
    assert brief(read(save(tmp_path / "a.txt", SENTENCES[name]))) == [
        (["Eva", "fell", "."], [(0, 1, "PER")]),
        (["Ulm", "rain"], [(0, 1, "LOC")]),
        (["Ufa"], [(0, 1, "ORG")]),
    ]


# -- plain text --------------------------------------------------------------------------------

TEXTS = [
    "Die S-Bahn fuhr heute nach Ulm.\n",
    "Ontem O Globo publicou uma entrevista.\n",
    "Please send an E-mail.\nThe B-52 flew to Ulm.\n",
    "Ontem O Globo\nHoje Eva disse\n",
    "Die S-Bahn\nDer E-Roller\nDie U-Bahn\n",
    "Sandra O kam\nDie S-Bahn fuhr\n",
    "Vi O Globo\nVi O Sol\nVi O Dia\n",
    "O Brasil\nO Globo\nA Folha\n",
    "O Brasil vence o Porto.\nO Benfica visita o Sporting.\n",
    "O rei viu o mar em Faro na segunda-feira.\nA Inês anunciou um acordo com a Casa do Povo.\n"
    "Rui Costa marcou dois golos contra o Porto ontem.\n",
    "Hello, Bob\nYes, Ann\nNo, Eve\n",
    "Ja\n\nNein\n\nGut\n",
    "Ja\nNein\nGut\nSchön\nNa gut\n",
    "東京に行った。\n大阪は雨だった。\n\n京都の人が来た。\n雨。\n",
    "Eva\n",
    "O\nO\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_plain_text_is_plain_text(text: str, tmp_path: Path) -> None:
    assert detect_format(save(tmp_path / "a.txt", text), labelled=False) == "text"


@pytest.mark.parametrize("text", [*LAYOUTS.values(), *SENTENCES.values(), *(spelled({"B": p}) for p in ("{p}-{t}", "{t}", "{p}", "{t}_{p}"))])  # fmt: skip
def test_files_with_tags_are_no_plain_text(text: str, tmp_path: Path) -> None:
    found = detect_format(save(tmp_path / "a.txt", text), labelled=False)
    assert found == ("inline" if text in (LAYOUTS["WikiNER"], LAYOUTS["slashes"]) else "conll")


def test_two_keys_of_misc_are_asked_about(tmp_path: Path) -> None:
    text = LAYOUTS["another key beside"].replace("NER=", "Inner=")
    path = save(tmp_path / "a.txt", text)
    with pytest.raises(DataError, match="2 columns hold tags: Inner= of MISC; Outer= of MISC; say"):
        read(path)
    assert {s.type for s in read(path, tag_column="Outer")[0].spans} == {"ORG"}


def test_a_word_without_its_tag_is_refused(tmp_path: Path) -> None:
    text = LAYOUTS["WikiNER"]
    path = save(tmp_path / "a.txt", text * 3 + text.replace("saw|VB|O", "saw|O"))
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value) == f"{path}:4: 'saw|O' has 2 parts, not 3 (word|…|tag); correct it"


def test_wide_text_without_a_mark_is_named(tmp_path: Path) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        path = save(tmp_path / "a.txt", "Eva B-PER\nfell O\n".encode(encoding))
        with pytest.raises(DataError, match=f"looks like UTF-16 text: set encoding: {encoding}"):
            read(path)
        assert brief(read(path, encoding=encoding)) == [(["Eva", "fell"], [(0, 1, "PER")])]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["PER", "PER", "0", "LOC", "0"], SPANS[0]),
        (["b-per", "i-per", "o", "b-loc", "o"], SPANS[0]),
        (["PER_B", "PER_I", "O", "LOC_B", "O"], SPANS[0]),
        (["(PER*", "*)", "*", "(LOC)", "*"], SPANS[0]),
        (["NNP", "NNP", "VBD", "NNP", "."], None),
        (["B-PER|B-ORG", "I-PER", "O", "B-LOC", "O"], None),
    ],
)
def test_tags_of_records_are_held_against_the_same_rules(
    tags: list[str], spans: list[tuple[int, int, str]] | None, tmp_path: Path
) -> None:
    rows = [{"tokens": WORDS[0], "ner_tags": tags}, {"tokens": ["."], "ner_tags": tags[2:3]}]
    path = save(tmp_path / "a.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
    if spans is not None:
        assert brief(read(path))[0] == (WORDS[0], spans)
        return
    with pytest.raises(DataError, match=r"scheme|holds 2 tags"):
        read(path)


def test_one_word_a_line_without_tags(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "Eva\nfell\n.\n\nUlm\nrain\n\n\nUfa\n.\n")
    assert detect_format(path, labelled=False) == "conll"
    assert [s.words for s in read(path, labelled=False)] == [
        ["Eva", "fell", "."],
        ["Ulm", "rain"],
        ["Ufa", "."],
    ]


# -- what is said of a source ------------------------------------------------------------------


def summary(path: Path, **options: object) -> str:
    found = stream(path, **options)
    list(found)
    return found.report.summary().removeprefix(f"{path}: ")


def test_what_was_understood_is_one_line(tmp_path: Path) -> None:
    rows = (
        spelled({"O": "0", "B": "{p}_{t}"}).replace("B_ORG", "I_ORG").replace("fell\t0", "fell\to")
    )
    path = save(tmp_path / "a.txt", rows * 3)
    assert summary(path) == (
        "conll (tab-separated, word in column 0, tag in column 1 of 2), scheme iob2, written "
        "B_TYPE, outside '0'; 6 sentences, 30 words; LOC 3, ORG 3, PER 3; repaired: 3 I- with no "
        "B- before it, read as B-, 3 with another sign for outside"
    )
    assert "; the first 2 of" not in summary(path)
    assert "; the first 2 sentences, 10 words; LOC 1, ORG 1, PER 1" in summary(path, sample=2)
    assert "; 2 of 6 sentences, 10 words; LOC 1, ORG 1, PER 1" in summary(path, limit=2)
    assert summary(path, labelled=False).endswith("; 6 sentences, 30 words")
    plain = save(tmp_path / "b.txt", "Eva fell.\n\n")
    assert (
        summary(plain, labelled=False)
        == "text; 1 sentence, 2 words; repaired: 1 empty sentences left out"
    )


def test_types_and_names_do_not_reach_the_terminal_as_commands(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "Eva B-\x1b[31mX\nfell O\n")
    assert "\x1b" not in summary(path)


def test_documents_for_sentences_are_warned_about_by_name(tmp_path: Path) -> None:
    path = save(tmp_path / "a.txt", "a O\n\n" + "Eva B-PER\n" + "fell O\n" * 200 + "\nb O\n")
    assert stream(path).report.warnings == [
        f"{path}: 1 of 3 sentences with more than 200 words: {path}:3 (201 words); if these are "
        "documents, the borders of their sentences (blank lines) are missing"
    ]
    few = save(tmp_path / "c.txt", "a O\n\n" * 5000 + "Eva B-PER\n" + "fell O\n" * 200)
    assert not stream(few).report.warnings
    assert (
        "5,001 sentences, 5,201 words, 1 of more than 200 (the first: line 10001 (201 words)); PER 1"
        in summary(few)
    )
    short = save(tmp_path / "b.txt", "Eva B-PER\n" + "fell O\n" * 199)
    assert not stream(short).report.warnings


@pytest.mark.parametrize(
    "row",
    ["{w} {t}", "{t} {w}", "{n} {w} {t}", "{t} {n} {w}", "{w} {w} {t}", "{n} {t} {w}", "{t} x {w}"],
)
def test_the_same_words_without_labels(row: str, tmp_path: Path) -> None:
    text = "".join(
        "".join(
            f"{row.format(w=w, t=t, n=n)}\n"
            for n, (w, t) in enumerate(zip(words, tags.split(), strict=True), 1)
        )
        + "\n"
        for words, tags in zip(WORDS, TAGS, strict=True)
    )
    path = save(tmp_path / "a.conll", text)
    assert brief(stream(path)) == RIGHT
    assert [s.words for s in read(path, labelled=False)] == [*map(list, WORDS)]


@pytest.mark.parametrize("row", ["{n}\t{w}", "{w}\t{n}", "{n}\t{w}\tx", "{w}\tx"])
def test_numbers_are_no_words_where_there_are_no_tags(row: str, tmp_path: Path) -> None:
    text = "".join(
        "".join(f"{row.format(w=w, n=n)}\n" for n, w in enumerate(words, 1)) + "\n"
        for words in WORDS
    )
    path = save(tmp_path / "a.conll", text)
    assert [s.words for s in read(path, labelled=False)] == [*map(list, WORDS)]
