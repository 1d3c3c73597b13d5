"""Measures a translator: text quality, what goes wrong in it, tags, names, speed.

    python -m benchmarks.models.translator FOLDER [--only PART ...] [--json FILE] [--limit N]

Parts: `flores` (chrF on FLORES-200 devtest, never trained on), `news` (newstest2021, English to
German, and LAFAND's Swahili test), `tatoeba` (400 held-out pairs a language), `text` (the default
run's translations: what share repeats a word or a pair of words at once or has a word of more than
24 letters, copies five source words in a row; what share of the words stands in no text of the
language and is no name), `tags` (500 CoNLL dev sentences: tags kept), `names` (their name words
kept), `speed` (processor seconds for 500 of the run's sentences, int8, one thread). Needs the
corpora beside the checkout.
"""

from __future__ import annotations

import argparse
import itertools
import json
import lzma
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.models.measure import DATA, ROOT, bare, exonyms, held_out_pairs, table
from pipeline.config import DataSource
from pipeline.formats.reading import read_labelled
from pipeline.schema import Sentence
from pipeline.stage import Part
from stages.translate.config import TranslateConfig
from stages.translate.word_list import WORD

LANGUAGES = ("de", "es", "fr", "nl", "sw")
LONGEST_WORD = 24
Rows = list[dict[str, Any]]


class Measured:
    """A translator folder, its measures, and how much of the text is used.

    Args:
        folder: The model.
        cache_dir: Gets the converted model.
        limit: At most so many sentences of each set.
        consensus: `translate.decoding.consensus`, for chrF.
    """

    def __init__(
        self, folder: Path, cache_dir: Path, limit: int | None, consensus: int | None = None
    ) -> None:
        self.folder, self.cache_dir, self.limit = folder, cache_dir, limit
        self.consensus = consensus

    def texts(self, source: str, target: str, texts: Sequence[str]) -> list[str]:
        """Best hypotheses with the default options, or by consensus."""
        from stages.translate.decoding import DecodingConfig
        from stages.translate.translator import Translator

        config = DecodingConfig(consensus=self.consensus)
        translator = Translator(self.folder, source, target, config, cache=self.cache_dir)
        return [hypotheses[0].text for hypotheses in translator.translate(texts)]

    def sentences(
        self, target: str, sentences: Sequence[Sentence], config: TranslateConfig
    ) -> list[dict[str, Any]]:
        """Rows of `translations`, as the stage makes them of labelled sentences."""
        from pipeline.schema import table as arrow_table
        from stages.translate.worker import load_worker

        os.environ["XLNER_CACHE"] = str(self.cache_dir)
        worker = load_worker(self.folder, "model", "en", target, config)
        rows = arrow_table("labelled", [s.to_row() for s in sentences])
        made: list[dict[str, Any]] = worker({"source": rows}, Part(0, 0)).to_pylist()
        return made

    def knows_tags(self) -> bool:
        """Whether tags are subwords of its vocabulary."""
        from transformers import AutoTokenizer

        return "\u2581<a>" in AutoTokenizer.from_pretrained(self.folder).get_vocab()

    def chrf(self, name: str, code: str, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """One row: chrF of the translations out of English."""
        from sacrebleu.metrics import CHRF

        pairs = pairs[: self.limit]
        output = self.texts("en", code, [a for a, _ in pairs])
        score = CHRF().corpus_score(output, [[b for _, b in pairs]]).score
        return {"set": name, "to": code, "pairs": len(pairs), "chrF": round(score, 1)}


def _pairs(path: Path) -> list[tuple[str, str]]:
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return [(row[0], row[1]) for row in rows if len(row) >= 2]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def measure_flores(model: Measured) -> Rows:
    """ChrF on FLORES-200 devtest."""
    return [
        model.chrf("FLORES-200 devtest", code, _pairs(DATA / f"parallel/flores200/en-{code}.tsv"))
        for code in LANGUAGES
    ]


def measure_news(model: Measured) -> Rows:
    """ChrF on newstest2021 and LAFAND's test."""
    folder = DATA / "parallel/wmt-news"
    sides = [_lines(folder / f"newstest2021.en-de.{side}") for side in ("src.en", "ref.A.de")]
    news = list(zip(*sides, strict=True))
    lafand = _pairs(DATA / "parallel/lafand/en-swa/test.tsv")
    return [model.chrf("newstest2021", "de", news), model.chrf("LAFAND test", "sw", lafand)]


def measure_tatoeba(model: Measured) -> Rows:
    """ChrF on held-out Tatoeba pairs."""
    return [
        model.chrf("Tatoeba held out", code, [(p.source, p.target) for p in pairs])
        for code, pairs in held_out_pairs(400).items()
    ]


def _sample(limit: int | None) -> list[Sentence]:
    path = ROOT / "artifacts/sample/en/train.conll"
    return list(read_labelled(DataSource(path=str(path)), "en", path=path))[:limit]


def measure_text(model: Measured) -> Rows:
    """What goes wrong in the default run's translations, in percent."""
    rows: Rows = []
    sentences = _sample(model.limit)
    for code, mend in ((code, mend) for code in LANGUAGES for mend in (False, True)):
        known = word_list(code)
        made = model.sentences(code, sentences, TranslateConfig(mend=mend))
        broken = copied = strange = words = 0
        for sentence, row in zip(sentences, made, strict=True):
            broken += is_broken(row["text"])
            copied += copies(sentence.words, row["words"])
            names = {bare(w) for s in sentence.spans for w in sentence.words[s.start : s.end]}
            for word in WORD.findall(row["text"]):
                words += 1
                form = bare(word)
                strange += not (form in known or form in names or form.removesuffix("s") in names)
        size = len(made)
        rows.append(
            {
                "to": code,
                "mended": mend,
                "sentences": size,
                "repeats or monsters": round(100 * broken / size, 1),
                "copies": round(100 * copied / size, 1),
                "unknown words": round(100 * strange / max(words, 1), 1),
            }
        )
    return rows


def is_broken(text: str) -> bool:
    """Whether a word or two stand twice at once, or a word has more than 24 letters."""
    words = [w.casefold() for w in WORD.findall(text)]
    once = any(a == b for a, b in itertools.pairwise(words))
    twice = any(words[i : i + 2] == words[i + 2 : i + 4] for i in range(len(words) - 3))
    return once or twice or any(len(w) > LONGEST_WORD for w in words)


def copies(source: Sequence[str], translation: Sequence[str], size: int = 5) -> bool:
    """Whether so many words of the source in a row, not all names or marks, stand in the other."""
    runs = {tuple(source[i : i + size]) for i in range(len(source) - size + 1)}
    runs = {run for run in runs if sum(w.isalpha() and w.islower() for w in run) >= 2}
    return any(tuple(translation[i : i + size]) in runs for i in range(len(translation)))


@cache
def word_list(code: str) -> frozenset[str]:
    """Every word of the language in the parallel corpora, case-folded; for measuring alone."""
    files = [p for p in (DATA / "parallel").rglob(f"*en-{code}*.tsv*") if "menyo" not in str(p)]
    if code == "sw":
        files += list((DATA / "parallel/lafand/en-swa").glob("*.tsv"))
    known: set[str] = set()
    for path in files:
        data = path.read_bytes()
        text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode()
        for line in text.split("\n"):
            other = line.split("\t")[1:2]
            known.update(bare(w) for w in WORD.findall(other[0] if other else ""))
    for language, pairs in _tatoeba():
        if language == code:
            known.update(bare(w) for w in WORD.findall(pairs))
    return frozenset(known)


@cache
def _tatoeba() -> tuple[tuple[str, str], ...]:
    import zipfile

    found = []
    for code, name in (("de", "deu"), ("es", "spa"), ("fr", "fra"), ("nl", "nld")):
        with zipfile.ZipFile(DATA / f"parallel/tatoeba/eng-{name}.zip") as archive:
            member = next(n for n in archive.namelist() if n.endswith(f"{name}.txt"))
            for line in archive.read(member).decode("utf-8-sig").splitlines():
                cells = line.split("\t")
                if len(cells) > 1:
                    found.append((code, cells[1]))
    return tuple(found)


def _conll(limit: int | None) -> list[Sentence]:
    path = DATA / "ner/conll/en/dev.txt"
    labelled = [
        s
        for s in read_labelled(DataSource(path=str(path)), "en", path=path)
        if any(span.type in ("PER", "LOC", "ORG") for span in s.spans)
    ]
    return random.Random(1).sample(labelled, 500)[:limit]


def measure_tags(model: Measured) -> Rows:
    """Sentences whose translation has every tag once, balanced; and entities that have both."""
    from stages.translate.tags import LETTERS, read_tags, whole

    rows: Rows = []
    sentences = [s for s in _conll(model.limit) if len(s.spans) <= len(LETTERS)]
    for code, mend in ((code, mend) for code in LANGUAGES for mend in (False, True)):
        if not model.knows_tags():
            break
        made = model.sentences(code, sentences, TranslateConfig(markers="xml", mend=mend))
        pairs = [(s, row["marked"] or "") for s, row in zip(sentences, made, strict=True)]
        kept = sum(whole(text, len(s.spans)) for s, text in pairs)
        read = sum(len(read_tags(text)) for _, text in pairs)
        rows.append(
            {
                "to": code,
                "mended": mend,
                "sentences": len(sentences),
                "tags kept": round(100 * kept / len(sentences), 1),
                "entities read": round(100 * read / sum(len(s.spans) for s in sentences), 1),
            }
        )
    return rows


def measure_names(model: Measured) -> Rows:
    """Name words of 500 CoNLL dev sentences that stand in the stage's translations."""
    rows: Rows = []
    sentences = _conll(model.limit)
    for column, code in enumerate(("de", "es")):
        for label, config in (
            ("as it comes", TranslateConfig(mend=False)),
            ("persons kept", TranslateConfig()),
            ("all kept", TranslateConfig(keep_names=["PER", "LOC", "ORG"])),
            ("tags, persons kept", TranslateConfig(markers="xml")),
        ):
            if config.markers == "xml" and not model.knows_tags():
                continue
            made = model.sentences(code, sentences, config)
            tally: dict[str, list[int]] = {}
            for sentence, row in zip(sentences, made, strict=True):
                for kind, kept in name_words(sentence, row["text"], column):
                    tally.setdefault(kind, []).append(kept)
            every = [kept for found in tally.values() for kept in found]
            rows.append(
                {"to": code, "how": label}
                | {k: round(100 * sum(v) / len(v), 1) for k, v in sorted(tally.items())}
                | {"all": round(100 * sum(every) / len(every), 1), "words": len(every)}
            )
    return rows


def name_words(sentence: Sentence, text: str, column: int) -> Iterator[tuple[str, bool]]:
    """Type of each capitalised word of a name, and whether it, or its exonym, is in the text."""
    found = {bare(w) for w in text.split()}
    # Of compounds and genitives (*Queen's*) each part counts, as in the mender.
    found |= {bare(w) for w in re.sub("[-'’]", " ", text).split()}
    for span in sentence.spans:
        for word in sentence.words[span.start : span.end]:
            if word[0].isupper():
                forms = {bare(word), *exonyms(column).get(bare(word), ())}
                yield span.type, any(f in found or f + "s" in found for f in forms)


def measure_speed(model: Measured) -> Rows:
    """Processor seconds, best of three, int8, one thread."""
    from stages.tokenise import detokenise
    from stages.translate.decoding import DecodingConfig
    from stages.translate.translator import Translator

    texts = [detokenise(s.words, "en") for s in _sample(500)]
    config = DecodingConfig(threads=1)
    translator = Translator(model.folder, "en", "de", config, cache=model.cache_dir)
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        translator.translate(texts)
        best = min(best, time.process_time() - start)
    return [{"sentences": len(texts), "seconds": round(best, 2)}]


PARTS: dict[str, Callable[[Measured], Rows]] = {
    "flores": measure_flores,
    "news": measure_news,
    "tatoeba": measure_tatoeba,
    "text": measure_text,
    "tags": measure_tags,
    "names": measure_names,
    "speed": measure_speed,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--json", type=Path, help="figures; parts not measured now are kept")
    parser.add_argument("--limit", type=int, help="at most so many sentences of each set")
    parser.add_argument("--consensus", type=int, help="chrF by consensus of so many translations")
    arguments = parser.parse_args()
    results: dict[str, Rows] = {}
    if arguments.json and arguments.json.exists():
        results = json.loads(arguments.json.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        model = Measured(arguments.folder, Path(folder), arguments.limit, arguments.consensus)
        for part in arguments.only:
            results[part] = PARTS[part](model)
            print(f"\n{part}\n" + "\n".join(table(results[part])), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
