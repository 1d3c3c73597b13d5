"""Packs what a GPU machine without network and without this project needs to train the translator.

    python artifacts/models/build/translator_gpu/pack.py FOLDER [--subwords 12000]

Text, phrase pairs, names, places and subwords of the config `build_models`, compressed (21 MB),
with the modules that vary pairs and the scripts beside this one. There:

    cd FOLDER && python3 run.py --minutes 8 --out OUT        # on a CPU in legs: see run.py

with torch, numpy, sentencepiece, safetensors and sacrebleu; and back here
`assemble.py FOLDER OUT MODEL` makes the model folder.
"""

from __future__ import annotations

import argparse
import itertools
import json
import lzma
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import sentencepiece

from model_recipes.shared.cooccurrence import cooccurrence_embeddings
from model_recipes.shared.corpus import TrainingText, load_corpus
from model_recipes.translator.bilingual import read_places
from model_recipes.translator.bitext import Phrase
from model_recipes.translator.config import MarianShape, TrainTranslatorConfig
from model_recipes.translator.names import NameFinder
from model_recipes.translator.phrases import find_phrases
from model_recipes.translator.sentencepieces import marian_vocabulary, train_sentencepiece
from model_recipes.translator.tags import tag_symbols
from pipeline.resources import located
from stages.text_sources import read_entities
from xlner.api import load_config

ROOT = Path(__file__).resolve().parents[4]
SHAPE = MarianShape(
    width=256, heads=8, feed_forward=1024, encoder_layers=8, decoder_layers=2, dropout=0.1
)
"""11.5M parameters with 12,000 subwords, 23 MB in float16; in CTranslate2's int8 it takes 1.9 times
as long as 192 wide with 4 and 1 layers (docs/models.md)."""
MODULES = {
    "translator": ("bitext", "tags", "names", "bilingual", "variation"),
    "shared": ("vocabulary_loss",),
}
SCRIPTS = ("run.py", "model.py", "bart.py", "trainer.py", "batches.py", "sampling.py")
BASE = 35
"""A phrase is four characters, its word numbers counted from this code on."""
MOST_WORDS = 88


def main() -> None:
    """Write the kit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--subwords", type=int, default=12_000)
    parser.add_argument("--phrases", type=int, default=3, help="most of one pair")
    parser.add_argument("--light-share", type=float, default=0.3, help="kept of weights below 1")
    parser.add_argument("--held-out", type=int, default=200, help="pairs a language to watch")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    config = load_config("build_models")
    options = config.section("train_translator", TrainTranslatorConfig)
    resolved = located(options, config.config_dir).model_copy(
        update={"subwords": arguments.subwords, "shape": SHAPE}
    )
    pack(resolved, arguments)


def pack(options: TrainTranslatorConfig, arguments: argparse.Namespace) -> None:
    """Write the kit of a configuration whose paths are absolute."""
    rng = random.Random(arguments.seed)
    corpus = load_corpus(options.corpus)
    if not corpus.held_out:
        raise SystemExit("no pair is held out to watch the training by: set hold_out of a source")
    kept = [
        k
        for k, weight in enumerate(corpus.weights)
        if weight >= 1 or rng.random() < arguments.light_share
    ]
    pairs = [corpus.pairs[k] for k in kept]
    # Fewer pairs that weigh little are drawn as often as all of them would be.
    weights = [w if (w := corpus.weights[k]) >= 1 else w / arguments.light_share for k in kept]
    phrases = find_phrases(pairs, arguments.seed, most=arguments.phrases)
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    entities = sorted({e for source in options.gazetteer for e in read_entities(source)})
    places = [place for path in options.places for place in read_places(path)]
    _write_pairs(folder, pairs, weights, phrases)
    finder = NameFinder(pairs)
    known = {k: sorted(getattr(finder, k)) for k in ("names", "lower", "translated")}
    _pack(folder / "known.xz", json.dumps(known, ensure_ascii=False))
    _pack(folder / "names.xz", "\n".join("\t".join(entity) for entity in entities))
    _pack(folder / "places.xz", "\n".join("\t".join(place) for place in places))
    _pack(folder / "held.xz", "\n".join(_held_out(corpus, arguments.held_out, rng)))
    settings = {
        "pivot": options.corpus.pivot_language,
        "languages": options.corpus.languages,
        "mix": options.augmentation.model_dump(),
        "into_pivot_share": options.into_pivot_share,
        "sampling_exponent": options.sampling_exponent,
        "shape": options.shape.model_dump(),
        "max_subwords": options.max_subwords,
    }
    (folder / "settings.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    text = [side for pair in pairs for side in pair[1:]] + [name for _, name in entities]
    made = train_sentencepiece(
        text,
        folder / "pieces",
        subwords=options.subwords,
        seed=arguments.seed,
        symbols=tag_symbols(),
    )
    for ending in (".vocab", ".rules.tsv"):
        made.with_suffix(ending).unlink()
    count_embeddings(folder, arguments.seed)
    _copy_code(folder)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{len(pairs):,} pairs, {sum(map(len, phrases)):,} phrases, {size / 1e6:.1f} MB")


def _write_pairs(
    folder: Path,
    pairs: Sequence[tuple[str, str, str]],
    weights: Sequence[float],
    phrases: Sequence[Sequence[Phrase]],
) -> None:
    """English sentences once, sorted; of each language columns that compress well."""
    english = sorted({source for _, source, _ in pairs})
    number = {sentence: k for k, sentence in enumerate(english)}
    _pack(folder / "pivot.xz", "\n".join(english))
    for code in sorted({language for language, _, _ in pairs}):
        rows = [k for k, pair in enumerate(pairs) if pair[0] == code]
        rows.sort(key=lambda k: (number[pairs[k][1]], pairs[k][2]))
        last = 0
        columns: tuple[list[str], ...] = ([], [], [], [])
        for k in rows:
            place = number[pairs[k][1]]
            found = [p for p in phrases[k] if max(p) < MOST_WORDS]
            columns[0].append(str(place - last))
            columns[1].append(f"{weights[k]:g}")
            columns[2].append(pairs[k][2])
            columns[3].append("".join(chr(BASE + x) for phrase in found for x in phrase))
            last = place
        for kind, column in zip("nwtp", columns, strict=True):
            _pack(folder / f"{code}.{kind}.xz", "\n".join(column))


def _held_out(corpus: TrainingText, each: int, rng: random.Random) -> list[str]:
    """Pairs to watch the training by."""
    by_language: dict[str, list[str]] = {}
    for pair in corpus.held_out:
        by_language.setdefault(pair.language, []).append("\t".join(pair))
    return [row for rows in by_language.values() for row in rng.sample(rows, min(each, len(rows)))]


def count_embeddings(folder: Path, seed: int) -> None:
    """Write what `train_translator` starts from (`embeddings: cooccurrence`), in float16."""
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    model = folder / "pieces.model"
    vocabulary = marian_vocabulary(model, [settings["pivot"], *settings["languages"]])
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    pivot = _unpack(folder / "pivot.xz")
    bags: list[list[int]] = []
    for code in settings["languages"]:
        steps, texts = (_unpack(folder / f"{code}.{kind}.xz") for kind in "nt")
        places = itertools.accumulate(map(int, steps))
        rows = (f"{pivot[k]} {text}" for k, text in zip(places, texts, strict=True))
        for subwords in processor.encode(list(rows), out_type=str):
            bags.append([vocabulary[x] for x in subwords if x in vocabulary])
    vectors = cooccurrence_embeddings(
        bags, size=len(vocabulary), width=settings["shape"]["width"], seed=seed
    )
    np.save(folder / "embeddings.npy", vectors.astype(np.float16))


def _unpack(path: Path) -> list[str]:
    return lzma.decompress(path.read_bytes()).decode().split("\n")


def _pack(path: Path, text: str) -> None:
    path.write_bytes(lzma.compress(text.encode(), preset=9))


def _copy_code(folder: Path) -> None:
    """The scripts, and the modules that they need, which need nothing else of the project."""
    recipes = folder / "model_recipes"
    for package, names in MODULES.items():
        (recipes / package).mkdir(parents=True, exist_ok=True)
        (recipes / package / "__init__.py").write_text("")
        for name in names:
            file = f"{package}/{name}.py"
            shutil.copyfile(ROOT / "model_recipes" / file, recipes / file)
    (recipes / "__init__.py").write_text("")
    news = "translator/news.tsv"
    shutil.copyfile(ROOT / "model_recipes" / news, recipes / news)
    for name in SCRIPTS:
        shutil.copyfile(Path(__file__).with_name(name), folder / name)


if __name__ == "__main__":
    main()
