"""Tags of technical texts through our translator: read off, by alignment, and both together.

    python -m benchmarks.project.tags [--languages de fr nl] [--limit 200]

Text: `../shared/data/both-sides/localization-xml`, segments with inline tags on both sides, the
same tags in every pair; measured on, never trained or chosen on. The English side is translated
with tags by the translator that ships (`translate.markers: xml`), once; the tags are then

- tags: read off the translation, nothing where one was lost (LabelPigeon)
- alignment: projected over the words of the same translation (`project.method: candidates`)
- markers, else alignment: lost tags by alignment (`project.method: markers`)
- both: `ensemble` of `markers` and `candidates`, which vote

and held against the gold tags of the professional translation, which is worded otherwise. So what
is compared is what stands between the tags: F1 of the words (as of answers in SQuAD) and the share
that is equal, each over all gold tags; what is lost counts 0. The translations differ, so that no
method can reach 100.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.models.measure import DATA, table
from stages.tokenise import tokenise

_TAG = re.compile(r"<(/?)([a-z]+)([^>]*?)(/?)>")
METHODS = {
    "alignment": {"method": "candidates"},
    "markers": {"method": "markers"},
    "both": {"method": "ensemble", "members": ["markers", "candidates"]},
}
Segment = tuple[list[str], list[tuple[int, int, str]]]


def read_segment(text: str, lang: str) -> Segment | None:
    """Words and tagged ranges of a segment; `None` where tags are nested, empty or single."""
    words: list[str] = []
    found: list[tuple[int, int, str]] = []
    opened: tuple[int, str] | None = None
    at = 0
    for match in [*_TAG.finditer(text), None]:
        piece = text[at : match.start() if match else len(text)]
        words += tokenise(_plain(piece), lang) if piece.strip() else []
        if match is None:
            break
        at = match.end()
        closing, name, _, single = match.groups()
        if single or (closing and (opened is None or opened[1] != name)):
            return None
        if closing and opened is not None:
            if opened[0] == len(words):
                return None
            found.append((opened[0], len(words), name))
            opened = None
        elif opened is not None:
            return None
        else:
            opened = (len(words), name)
    return (words, found) if found and opened is None else None


def _plain(text: str) -> str:
    for escape, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(escape, sign)
    return text


def load(lang: str, limit: int | None) -> list[tuple[str, Segment, Segment]]:
    """Pairs of segments whose tags are the same in the same order of each name."""
    sides = []
    for side in ("en", lang):
        path = DATA / f"both-sides/localization-xml/en{lang}_{side}_dev.json.xz"
        sides.append(json.loads(lzma.decompress(path.read_bytes()))["text"])
    pairs = []
    for key, english in sides[0].items():
        source, target = read_segment(english, "en"), read_segment(sides[1][key], lang)
        if source is None or target is None or len(source[1]) > 10:
            continue
        if Counter(t for *_, t in source[1]) == Counter(t for *_, t in target[1]):
            pairs.append((key.rpartition("_")[2], source, target))
    return sorted(random.Random(1).sample(pairs, min(limit or len(pairs), len(pairs))))


def in_order(source: Segment, target: Segment) -> list[str]:
    """The gold text of each tag of the source: the n-th of a name is the n-th there."""
    texts: dict[str, list[str]] = {}
    for start, end, name in sorted(target[1]):
        texts.setdefault(name, []).append(" ".join(target[0][start:end]))
    return [texts[name].pop(0) for _, _, name in source[1]]


def word_f1(found: str, gold: str) -> float:
    """F1 of the words of two texts, without regard to capitals and order."""
    a, b = (Counter(text.casefold().split()) for text in (found, gold))
    shared = sum((a & b).values())
    return 2 * shared / (sum(a.values()) + sum(b.values())) if shared else 0.0


def run(folder: Path, lang: str, pairs: Sequence[tuple[str, Segment, Segment]]) -> dict[str, Any]:
    """Translate, align and project; the rows by method."""
    lines = []
    for _, (words, spans), _ in pairs:
        tags = ["O"] * len(words)
        for start, end, name in spans:
            tags[start:end] = [f"B-{name}"] + [f"I-{name}"] * (end - start - 1)
        lines += [f"{word} {tag}" for word, tag in zip(words, tags, strict=True)] + [""]
    (folder / "en.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    import pyarrow.parquet as pq

    found = {}
    for name, options in METHODS.items():
        config = {
            "name": lang,
            "languages": [lang],
            "arms": [],
            "stages": ["prepare", "translate", "align", "project"],
            "data": {"train": {"path": str(folder / "en.txt"), "format": "conll"}},
            "translate": {"markers": "xml"},
            "project": options | {"filters": {"pairs": None, "min_score": 0.0}},
        }
        (folder / "c.yaml").write_text(json.dumps(config), encoding="utf-8")
        command = [sys.executable, "-c", "from xlner.commands.run import main; main()"]
        words = [str(folder / "c.yaml"), "--runs-dir", str(folder / "runs")]
        subprocess.run([*command, *words], check=True, capture_output=True, text=True)
        for stage in ("translate", "project"):
            files = sorted((folder / "runs" / lang / stage / lang).glob("*.parquet"))
            rows = [row for file in files for row in pq.read_table(file).to_pylist()]
            found[name if stage == "project" else "translate"] = rows
    return found


def texts_of(rows: Sequence[dict[str, Any]], only: str | None = None) -> list[dict[int, str]]:
    """What stands in each projected span, by the number of the source's; of one method only."""
    return [
        {
            span["source"]: " ".join(row["words"][span["start"] : span["end"]])
            for span in row["spans"]
            if only is None or span["method"] == only
        }
        for row in rows
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--languages", nargs="*", default=["de", "fr", "nl"])
    parser.add_argument("--limit", type=int, help="segments of each language, drawn at random")
    arguments = parser.parse_args()
    rows = []
    for lang in arguments.languages:
        pairs = load(lang, arguments.limit)
        with tempfile.TemporaryDirectory() as folder:
            found = run(Path(folder), lang, pairs)
        gold = [in_order(source, target) for _, source, target in pairs]
        systems = {
            "tags": texts_of(found["markers"], only="markers"),
            "alignment": texts_of(found["alignment"]),
            "markers, else alignment": texts_of(found["markers"]),
            "both (ensemble)": texts_of(found["both"]),
        }
        size = sum(map(len, gold))
        for name, texts in systems.items():
            pairs_of = [
                (of.get(k, ""), text)
                for of, wanted in zip(texts, gold, strict=True)
                for k, text in enumerate(wanted)
            ]
            rows.append(
                {
                    "to": lang,
                    "segments": len(pairs),
                    "tags": size,
                    "method": name,
                    "found %": round(100 * sum(bool(a) for a, _ in pairs_of) / size, 1),
                    "word F1": round(100 * sum(word_f1(a, b) for a, b in pairs_of) / size, 1),
                    "equal %": round(
                        100 * sum(a.casefold() == b.casefold() for a, b in pairs_of) / size, 1
                    ),
                }
            )
        print("\n".join(table(rows[-len(systems) :])), flush=True)


if __name__ == "__main__":
    main()
