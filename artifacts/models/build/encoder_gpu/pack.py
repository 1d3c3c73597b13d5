"""Packs what a GPU machine without network and without this project needs to train the encoder on.

    python artifacts/models/build/e5_from_wheel.py -o E5
    python artifacts/models/build/cut_encoder.py E5 -o ENCODER
    python artifacts/models/build/encoder_gpu/pack.py E5 ENCODER KIT

The weights of E5's lower layers in blocks of 8 bits, the subwords of ENCODER and those that the
packed text uses most beside them (the teacher's), and text that may be shipped on, without the
sentences that the project measures on. See README.md.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.numpy import load_file
from tokenizers import Tokenizer
from tokenizers.models import Unigram

from model_recipes.shared.corpus import CorpusConfig, TrainingText, any_key, load_corpus
from pipeline.formats.packed import open_bytes
from stages.synthesize.overlap import sentence_key
from stages.text_sources import TextPair, TextSource, read_rows
from stages.tokenise import tokenise
from stages.word_alignment.statistical.aligner import StatisticalAligner
from xlner.trimming.words import listed_words

HERE = Path(__file__).resolve().parent
SCRIPTS = ("run.py", "sentences.py", "losses.py", "blocks.py")
FROM_ENCODER = ("config.json", "tokenizer.json", "tokenizer_config.json", "LICENSE")
WORDS = "embeddings.word_embeddings.weight"
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
FEWEST_WORDS, MOST_WORDS, MOST_CHARACTERS = 4, 60, 600
LEAST_KEY = 12
"""Letters of a sentence of the alignment corpora; shorter cells are numbers, links and names."""
ALIGNED = 0.5
LISTED = 1300
NER = {"hau": "ha", "yor": "yo"}


class Linked(NamedTuple):
    """Words of two sentences, normalised as the encoder normalises them, and their links."""

    language: str
    source: list[str]
    target: list[str]
    links: list[tuple[int, int]]


def main() -> None:
    """Choose text, link its words, write the kit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("e5", type=Path, help="the folder that e5_from_wheel.py wrote")
    parser.add_argument("encoder", type=Path, help="the folder that cut_encoder.py wrote")
    parser.add_argument("kit", type=Path, help="the folder to write")
    parser.add_argument("--shared", type=Path, default=HERE.parents[4] / "shared" / "data")
    parser.add_argument("--pairs", type=int, default=70_000)
    parser.add_argument("--each", type=int, default=9_000, help="most of one file, and of single")
    parser.add_argument("--linked", type=int, default=6_000, help="pairs a language to be linked")
    parser.add_argument("--teacher-subwords", type=int, default=4_000, help="beside the student's")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    from cut_encoder import OTHERS, corpus_config

    config = corpus_config(arguments.shared)
    measured = [
        TextSource(
            path=arguments.shared / "ner" / "masakhaner2" / folder / f"{split}.txt",
            format="labelled",
            languages=(code,),
        )
        for folder, code in NER.items()
        for split in ("train", "dev", "test")
    ]
    config = config.model_copy(update={"evaluation": (*config.evaluation, *measured)})
    corpus = load_corpus(config)
    print(corpus.report())
    keys = alignment_keys(arguments.shared / "alignments")
    backend = Tokenizer.from_file(str(arguments.e5 / "tokenizer.json"))
    lists = {code: list(listed_words(code, backend, LISTED)) for code in OTHERS}
    pack(config, corpus, keys, lists, arguments)


def alignment_keys(folder: Path) -> set[str]:
    """Return the keys of all sentences in a folder of alignment corpora, of any make."""
    keys = set()
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.suffix in {".out", ".gold", ".xml"}:
            continue
        with open_bytes(path) as file:
            for raw in file:
                line = raw.decode("utf-8")
                if line.startswith("{"):
                    cells = list(_sentences(json.loads(line)))
                else:
                    cells = line.replace("|||", "\t").split("\t")
                keys |= {key for cell in cells if len(key := sentence_key(cell)) >= LEAST_KEY}
    return keys


def _sentences(value: Any) -> Iterator[str]:
    """Yield the strings in JSON, and lists of strings as one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _sentences(part)
    elif isinstance(value, list):
        if all(isinstance(part, str) for part in value):
            yield " ".join(value)
        else:
            for part in value:
                yield from _sentences(part)


def pack(
    config: CorpusConfig,
    corpus: TrainingText,
    keys: set[str],
    lists: Mapping[str, Sequence[str]],
    arguments: argparse.Namespace,
) -> None:
    """Write the kit of a corpus, but for sentences with one of the keys."""
    rng = random.Random(arguments.seed)
    backend = Tokenizer.from_file(str(arguments.e5 / "tokenizer.json"))
    chosen = choose_pairs(config, corpus, keys, arguments.each, arguments.pairs, rng)
    pairs = link(chosen, backend, arguments.linked)
    sentences = choose_sentences(corpus, keys, backend, arguments.each, rng)
    kit: Path = arguments.kit
    kit.mkdir(parents=True, exist_ok=True)
    # The same English beside itself compresses well.
    pairs.sort(key=lambda pair: (pair.source, pair.language))
    _pack(kit / "pairs.xz", "\n".join(map(_line, pairs)))
    _pack(kit / "sentences.xz", "\n".join(f"{code}\t{' '.join(ws)}" for code, ws in sentences))
    rows = (f"{k}\t{' '.join(sorted(w[1:] for w in ws if len(w) > 1))}" for k, ws in lists.items())
    _pack(kit / "words.xz", "\n".join(rows))
    words: Counter[str] = Counter()
    for pair in pairs:
        words.update(pair.source)
        words.update(pair.target)
    for _, sentence in sentences:
        words.update(sentence)
    write_weights(arguments.e5, arguments.encoder, kit, words, arguments.teacher_subwords)
    for name in SCRIPTS:
        shutil.copyfile(HERE / name, kit / name)
    size = sum(file.stat().st_size for file in kit.iterdir())
    by_language = Counter(pair.language for pair in pairs)
    print(f"pairs {dict(by_language)}, {len(sentences):,} sentences, {size / 1e6:.1f} MB")


def choose_pairs(
    config: CorpusConfig,
    corpus: TrainingText,
    keys: set[str],
    each: int,
    most: int,
    rng: random.Random,
) -> list[TextPair]:
    """Return at most ``each`` pairs of a file and ``most`` in all, scarce languages whole."""
    left = {p for p in corpus.pairs if _fits(p) and not any_key(keys, p[1:])}
    by_language: dict[str, list[TextPair]] = defaultdict(list)
    for source in config.parallel:
        swapped = source.languages[0] != config.pivot_language
        found = []
        for row in read_rows(source):
            first, second = (" ".join(cell.split()) for cell in (row[::-1] if swapped else row))
            pair = TextPair(source.languages[0 if swapped else 1], first, second)
            if pair in left:
                left.remove(pair)
                found.append(pair)
        rng.shuffle(found)
        for pair in found[:each]:
            by_language[pair.language].append(pair)
    chosen: list[TextPair] = []
    for number, pairs in enumerate(sorted(by_language.values(), key=len)):
        rng.shuffle(pairs)
        chosen += pairs[: (most - len(chosen)) // (len(by_language) - number)]
    return chosen


def _fits(pair: TextPair) -> bool:
    words = len(pair.source.split())
    short = len(pair.source) + len(pair.target) < MOST_CHARACTERS
    return FEWEST_WORDS <= words < MOST_WORDS and short


def _normalised(words: Sequence[str], backend: Tokenizer) -> list[str]:
    """Return words as the encoder sees them; what it makes of one may be none or several."""
    return backend.normalizer.normalize_str(" ".join(words)).split()


def link(pairs: Sequence[TextPair], backend: Tokenizer, most: int) -> list[Linked]:
    """Cut the pairs into words; link those of the first ``most`` of each language statistically."""
    by_language: dict[str, list[tuple[list[str], list[str]]]] = defaultdict(list)
    for code, source, target in pairs:
        words = [
            _normalised(tokenise(text, language), backend)
            for text, language in ((source, "en"), (target, code))
        ]
        if all(words):
            by_language[code].append((words[0], words[1]))
    found = []
    for code, rows in by_language.items():
        own = rows[:most]
        aligner = StatisticalAligner.fit(lambda own=own: iter(own), lambda: iter(()))
        for (source, target), links in zip(own, aligner.align(own), strict=True):
            sure = [(k.source, k.target) for k in links if k.prob >= ALIGNED]
            found.append(Linked(code, source, target, sorted(sure)))
        found += [Linked(code, source, target, []) for source, target in rows[most:]]
    return found


def choose_sentences(
    corpus: TrainingText, keys: set[str], backend: Tokenizer, each: int, rng: random.Random
) -> list[tuple[str, list[str]]]:
    """Return at most ``each`` sentences of a language, as words."""
    rows = list(corpus.sentences)
    rng.shuffle(rows)
    taken: Counter[str] = Counter()
    chosen = []
    for code, text in rows:
        words = _normalised(text.split(), backend)
        if taken[code] < each and len(words) > 1 and sentence_key(text) not in keys:
            taken[code] += 1
            chosen.append((code, words))
    return chosen


def write_weights(e5: Path, encoder: Path, kit: Path, words: Counter[str], more: int) -> None:
    """Write both vocabularies and the weights that student and teacher begin with."""
    from blocks import write_blocks

    scores = dict(_vocabulary(e5))
    number = {subword: k for k, subword in enumerate(scores)}
    student = [subword for subword, _ in _vocabulary(encoder)]
    unknown = [subword for subword in student if subword not in number]
    if tuple(student[:4]) != SPECIAL or student[-1] != "<mask>" or unknown:
        raise SystemExit(
            f"{encoder}: its subwords must begin with {SPECIAL}, end with <mask> and all be of "
            f"{e5} (not there: {unknown[:5]}); make it with cut_encoder.py"
        )
    known = set(student)
    full = Unigram(list(scores.items()), SPECIAL.index("<unk>"), False)
    used: Counter[str] = Counter()
    for word, count in words.items():
        for token in full.tokenize(f"▁{word}"):
            if token.value in scores and token.value not in known:
                used[token.value] += count
    teacher = [subword for subword, _ in used.most_common(more)]
    noted = {
        "student": [(subword, scores[subword]) for subword in student],
        "teacher": [(subword, scores[subword]) for subword in teacher],
    }
    _pack(kit / "vocabulary.xz", json.dumps(noted, ensure_ascii=False))
    layers = json.loads((encoder / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    tensors = {
        name: array
        for name, array in load_file(e5 / "model.safetensors").items()
        if not name.startswith("encoder.layer.") or int(name.split(".")[2]) < layers
    }
    tensors[WORDS] = tensors[WORDS][[number[subword] for subword in student + teacher]]
    write_blocks(kit, tensors, f"lower layers of {e5.name}")
    for name in FROM_ENCODER:
        if (encoder / name).exists():
            shutil.copyfile(encoder / name, kit / name)


def _vocabulary(folder: Path) -> list[tuple[str, float]]:
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    return [(subword, score) for subword, score in model["vocab"]]


def _line(pair: Linked) -> str:
    links = " ".join(f"{a}-{b}" for a, b in pair.links)
    return "\t".join((pair.language, " ".join(pair.source), " ".join(pair.target), links))


def _pack(path: Path, text: str) -> None:
    path.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main()
