"""The sample corpus that ships: spans, scripts, duplicates, leakage, counts, parallel sides."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

SAMPLE = Path(__file__).parents[2] / "artifacts" / "sample"
TARGETS = ("de", "es", "fr", "nl", "sw")
LANGS = ("en", *TARGETS)
TRAIN = ("en/train.conll",)
TESTS = tuple(f"{lang}/test.conll" for lang in LANGS)
FILES = (*TRAIN, "en/dev.conll", *TESTS)

# Letters of ordinary words; inside an entity any Latin letter may stand (Kraków, Yıldırım).
LETTERS = {
    "en": "é",
    "de": "äöüß",
    "es": "áéíóúüñ",
    "fr": "àâæçéèêëîïôœùûüÿ",
    "nl": "áéëèêïíóöüúà",
    "sw": "",
}
QUOTES = {"en": '"', "de": "„“", "es": "«»", "fr": "«»", "nl": '"', "sw": '"'}
PUNCTUATION = ".,:;?!()-%'&"

# Translated sentences whose two sides differ in entities of a type, with the reason.
UNEQUAL_SIDES: dict[str, str] = {}


@dataclass
class Row:
    """One sentence as read from a shipped file."""

    fields: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)

    @property
    def entities(self) -> list[tuple[str, str]]:
        found: list[tuple[str, list[str]]] = []
        for word, tag in zip(self.words, self.tags, strict=True):
            if tag.startswith("B-"):
                found.append((tag[2:], [word]))
            elif tag.startswith("I-"):
                found[-1][1].append(word)
        return [(kind, " ".join(words)) for kind, words in found]


def read(name: str) -> list[Row]:
    rows = []
    for block in (SAMPLE / name).read_text(encoding="utf-8").rstrip("\n").split("\n\n"):
        row = Row()
        for line in block.split("\n"):
            if line.startswith("# "):
                key, value = line[2:].split(" = ", 1)
                row.fields[key] = value
            else:
                word, tag = line.split("\t")
                row.words.append(word)
                row.tags.append(tag)
        rows.append(row)
    return rows


def strings(*names: str) -> set[str]:
    return {text for name in names for row in read(name) for _, text in row.entities}


def normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def normalised(*names: str) -> list[str]:
    return [normal(" ".join(row.words)) for name in names for row in read(name)]


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_build", SAMPLE / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_shipped_files_are_what_the_sources_give(builder: ModuleType) -> None:
    assert builder.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("name", "floor"),
    [
        ("en/train.conll", 800),
        ("en/dev.conll", 60),
        ("en/test.conll", 70),
        *[(f"{lang}/test.conll", 120) for lang in TARGETS],
        *[(f"parallel/{lang}.conll", 60) for lang in LANGS],
    ],
)
def test_counts(name: str, floor: int) -> None:
    assert len(read(name)) >= floor


@pytest.mark.parametrize("name", FILES)
def test_tags_are_valid_iob2_of_three_types(name: str) -> None:
    for row in read(name):
        assert set(row.tags) <= {"O", *(f"{p}-{t}" for p in "BI" for t in ("PER", "ORG", "LOC"))}
        for before, tag in pairwise(["O", *row.tags]):
            if tag.startswith("I-"):
                assert before in (f"B-{tag[2:]}", tag), row.fields
    assert {kind for row in read(name) for kind, _ in row.entities} == {"PER", "ORG", "LOC"}


@pytest.mark.parametrize("name", FILES)
def test_about_one_in_ten_sentences_has_no_entity(name: str) -> None:
    rows = read(name)
    assert 0.08 <= sum(not row.entities for row in rows) / len(rows) <= 0.16


@pytest.mark.parametrize("name", FILES)
def test_ids_are_unique_and_say_language_and_part(name: str) -> None:
    ids = [row.fields["id"] for row in read(name)]
    assert len(set(ids)) == len(ids)
    lang, part = name.removesuffix(".conll").split("/")
    for row in read(name):
        stem = row.fields.get("made", part)
        assert re.fullmatch(rf"{lang}-{stem}-\d{{3}}", row.fields["id"])


@pytest.mark.parametrize("name", FILES)
def test_words_are_tokenised(name: str) -> None:
    lang = name[:2]
    closing = re.compile(r".+[,;:!?\"«»„“()]$|^[,;:!?\"«»„“()].+")
    abbreviation = re.compile(r"(Dr|Dkt|St|[A-Z]|U\.S|\d+)\.")
    for row in read(name):
        for word in row.words:
            assert word == word.strip() and word, row.fields
            assert not closing.match(word), (row.fields, word)
            if len(word) > 1 and word.endswith("."):
                assert abbreviation.fullmatch(word), (row.fields, word)
            if lang == "en" and len(word) > 2:
                assert not re.search(r"'s$", word), (row.fields, word)
            if lang == "fr" and "'" in word[:-1]:  # an elision is a word of its own
                assert re.fullmatch(r"(aujourd'hui|.+-.+)", word), (row.fields, word)


@pytest.mark.parametrize("name", FILES)
def test_script_fits_the_language(name: str) -> None:
    lang = name[:2]
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789" + LETTERS[lang])
    allowed |= set(PUNCTUATION + QUOTES[lang])
    for row in read(name):
        for word, tag in zip(row.words, row.tags, strict=True):
            letters = set(word.lower())
            if tag == "O":
                assert letters <= allowed, (row.fields, word)
            elif not letters <= allowed:  # Latin with any mark, up to Latin Extended Additional
                assert all(ord(letter) < 0x250 or 0x300 <= ord(letter) < 0x370 for letter in word)


@pytest.mark.parametrize(
    ("lang", "common"),
    [
        ("en", "the of and in to a for from"),
        ("de", "der die das und von den dem zu für mit ist"),
        ("es", "el la los las de en que y del por una"),
        ("fr", "le la les des de et à du une que l'"),
        ("nl", "de het een van en op is voor met dat zijn"),
        ("sw", "ya wa na kwa za la cha katika mjini kutoka kuwa"),
    ],
)
def test_sentences_are_in_their_language(lang: str, common: str) -> None:
    own = Counter(word.lower() for row in read(f"{lang}/test.conll") for word in row.words)
    share = sum(own[word] for word in common.split()) / own.total()
    assert share > 0.09


def test_no_sentence_comes_twice() -> None:
    for lang in LANGS:
        texts = Counter(normalised(*(name for name in FILES if name.startswith(lang))))
        assert [text for text, count in texts.items() if count > 1] == []


def test_no_test_or_dev_sentence_is_close_to_a_training_sentence() -> None:
    def shingles(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}

    unlabelled = (SAMPLE / "en/unlabelled.txt").read_text(encoding="utf-8").splitlines()
    seen = [shingles(text) for text in [*normalised(*TRAIN), *map(normal, unlabelled)]]
    for text in normalised("en/dev.conll", "en/test.conll"):
        own = shingles(text)
        worst = max((len(own & other) / len(own | other) for other in seen if own), default=0.0)
        assert worst < 0.3, text


@pytest.mark.parametrize("name", TESTS)
def test_at_least_half_of_the_test_entities_are_unseen(name: str) -> None:
    own = strings(name)
    assert len(own - strings(*TRAIN)) / len(own) >= 0.5


def test_templates_are_marked_and_bring_no_test_entity_into_training() -> None:
    rows = read("en/train.conll")
    made = [row for row in rows if "made" in row.fields]
    written = [row for row in rows if "made" not in row.fields]
    assert {row.fields["made"] for row in made} == {"template"}
    assert len(made) >= 400
    assert len(written) >= 270
    for name in FILES:
        if name not in TRAIN:
            assert all("made" not in row.fields for row in read(name)), name
    found = {text for row in made for _, text in row.entities}
    known = {text for row in written for _, text in row.entities}
    assert (found & strings(*TESTS)) <= known


def test_unlabelled_text_holds_no_test_only_entity() -> None:
    lines = (SAMPLE / "en/unlabelled.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len({normal(line) for line in lines}) >= 150
    text = "\n".join(lines)
    only = strings(*TESTS) - strings(*TRAIN)
    assert [name for name in sorted(only) if re.search(rf"\b{re.escape(name)}\b", text)] == []


@pytest.mark.parametrize("lang", TARGETS)
def test_parallel_sides_have_the_same_entities(lang: str) -> None:
    english = read("parallel/en.conll")
    target = read(f"parallel/{lang}.conll")
    unequal = []
    for source, row in zip(english, target, strict=True):
        assert row.fields["parallel"] == source.fields["id"]
        if Counter(k for k, _ in source.entities) != Counter(k for k, _ in row.entities):
            unequal.append(row.fields["id"])
        assert 0.4 < len(row.words) / len(source.words) < 2.5, row.fields
    assert unequal == [key for key in UNEQUAL_SIDES if key.startswith(lang)]


@pytest.mark.parametrize("lang", TARGETS)
def test_parallel_files_repeat_the_test_files(lang: str) -> None:
    shown = {row.fields["id"]: row for row in read(f"{lang}/test.conll")}
    for row in read(f"parallel/{lang}.conll"):
        assert shown[row.fields["id"]] == row
    natives = [row for row in shown.values() if "parallel" not in row.fields]
    assert len(natives) >= 60


@pytest.mark.parametrize("lang", LANGS)
def test_our_reader_reads_it_alike(lang: str) -> None:
    from pipeline.config import DataSource
    from pipeline.formats import read_labelled

    path = SAMPLE / lang / "test.conll"
    stream = read_labelled(DataSource(path=str(path)), lang, path=path)
    got = [(s.id, list(s.words), [s.words[x.start : x.end] for x in s.spans or ()]) for s in stream]
    rows = read(f"{lang}/test.conll")
    assert [(key, words) for key, words, _ in got] == [(r.fields["id"], r.words) for r in rows]
    for (_, _, spans), row in zip(got, rows, strict=True):
        assert [" ".join(words) for words in spans] == [text for _, text in row.entities]


@pytest.mark.parametrize(
    "markup",
    ["[PER Ann", "Ann]", "[MISC Ann]", "[PER [LOC Ann] ]", "", "a [PER ] b", "x[y z"],
)
def test_bad_markup_is_refused_with_its_place(builder: ModuleType, markup: str) -> None:
    with pytest.raises(builder.SourceError, match="file:3"):
        builder.parse(markup, "file:3")


def test_markup_gives_iob2(builder: ModuleType) -> None:
    words, tags = builder.parse("[PER Ann Lee] [PER Bo] of [ORG X & Y] .", "file:1")
    assert words == ("Ann", "Lee", "Bo", "of", "X", "&", "Y", ".")
    assert tags == ("B-PER", "I-PER", "B-PER", "O", "B-ORG", "I-ORG", "I-ORG", "O")
