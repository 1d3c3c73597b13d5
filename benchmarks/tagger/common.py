"""What the tagger's benchmarks share: a model to measure, data, alternating runs."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import timing
from pipeline.config import DataSource
from pipeline.formats import read_labelled
from pipeline.schema import Sentence
from stages.tagger.labels import LabelSet, span_f1
from stages.tagger.word_tagger import WordTagger


def arguments(about: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks have."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("data", type=Path, help="labelled sentences, for example CoNLL eng.testb")
    parser.add_argument("--encoder", help="encoder to build the tagger on; default: random BERT")
    parser.add_argument("--layers", type=int, default=6, help="of the random encoder")
    parser.add_argument("--width", type=int, default=256, help="of the random encoder")
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=7, help="alternating runs")
    parser.add_argument("--threads", type=int, help="torch threads; default: torch's own choice")
    parser.add_argument(
        "--clock",
        choices=["wall", "cpu"],
        default="wall",
        help="cpu: time of this process (all its threads), for machines that do other work too",
    )
    parser.add_argument("--work", type=Path, default=Path("/tmp/xlner-benchmark-tagger"))
    return parser


def read_sentences(path: Path, count: int) -> list[Sentence]:
    """Read the first sentences of a labelled file."""
    stream = read_labelled(DataSource(path=str(path), limit=count), "en", path=path)
    return list(stream)


def f1(tagger: WordTagger, sentences: Sequence[Sentence]) -> float:
    """Return strict span F1 in percent, on the types that the tagger knows."""
    gold = [[x for x in s.spans if x.type in tagger.label_set.types] for s in sentences]
    return 100 * span_f1(tagger.predict([s.words for s in sentences]), gold)["f1"]


def label_set(sentences: list[Sentence]) -> LabelSet:
    """Return the labels that the sentences have."""
    return LabelSet.of_types(sorted({s.type for sentence in sentences for s in sentence.spans}))


def random_encoder(folder: Path, sentences: list[Sentence], layers: int, width: int) -> Path:
    """Build a BERT with random weights and a WordPiece vocabulary of the sentences."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    target = folder / f"encoder-{layers}x{width}"
    if (target / "config.json").exists():
        return target
    target.mkdir(parents=True, exist_ok=True)
    backend = BertWordPieceTokenizer(lowercase=False)
    backend.train_from_iterator((" ".join(s.words) for s in sentences), vocab_size=8000)
    backend.save_model(str(target))
    tokenizer = BertTokenizerFast(str(target / "vocab.txt"), do_lower_case=False)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
    )
    BertModel(config).save_pretrained(target)
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(target)
    return target


def alternate(
    candidates: Mapping[str, Callable[[], object]], runs: int, clock: str = "wall"
) -> dict[str, list[float]]:
    """Time each candidate in turn, ``runs`` times over, after one run each to warm up."""
    return {name: times.by(clock) for name, times in timing.alternate(candidates, runs).items()}


def show(times: Mapping[str, list[float]], items: int, unit: str, baseline: str) -> None:
    """Print a table: median seconds, rate, and time relative to a baseline (paired by round)."""
    print(f"{'':34}{'median s':>10}{unit + '/s':>16}{'time / ' + baseline:>34}")
    for name, values in times.items():
        middle = statistics.median(values)
        ratio = timing.spread(timing.ratios(values, times[baseline]))
        print(f"{name:34}{middle:10.3f}{items / middle:16,.0f}{ratio:>34}")
