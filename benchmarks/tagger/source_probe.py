"""Which rule chooses a good source language? A linear probe on a frozen encoder stands for taggers.

    python -m benchmarks.tagger.source_probe artifacts/models/encoder --states /tmp/states

For each source language a softmax over the encoder's last states (first subwords) of its first 300
gold sentences; F1 on the first 200 dev sentences of each target. Then the mean F1 of what each rule
chooses: English, the overlap of subwords or of names with the target's training text, the mean F1
on the dev sets of the *other* languages, the best. States are kept in a folder, so that a second
run is quick. Corpora: ``ner/conll`` and ``ner/masakhaner2`` in ../shared/data (PER, LOC, ORG).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.project.corpora import DATA
from pipeline.config import DataSource
from pipeline.formats import read_labelled
from pipeline.schema import Sentence, Span
from stages.tagger.encoding import load_tokenizer
from stages.tagger.labels import LabelSet, span_f1

TYPES = ["LOC", "ORG", "PER"]
LABELS = LabelSet.of_types(TYPES)
AFRICAN = {"sw": "swa", "ha": "hau", "yo": "yor"}
SOURCES = ("ha", "sw", "yo", "en", "de", "es", "nl")
TARGETS = ("sw", "ha", "yo", "es", "de")
TRAINED, TESTED, COMPARED = 300, 200, 2000
WORDS = 60
"""Longer sentences are cut."""


def read(lang: str, part: str, limit: int) -> list[Sentence]:
    """Return the first sentences of a corpus; Dutch CoNLL has no training part here."""
    part = "dev" if lang == "nl" else part
    folder = f"masakhaner2/{AFRICAN[lang]}" if lang in AFRICAN else f"conll/{lang}"
    path = DATA / "ner" / folder / f"{part}.txt"
    found = islice(read_labelled(DataSource(path=str(path)), lang, path=path), limit)
    return [s for s in found if s.words]


def gold(sentence: Sentence) -> list[Span]:
    return [s for s in sentence.spans if s.end <= WORDS and s.type in TYPES]


def states(sentences: list[Sentence], encoder: Any, tokenizer: Any) -> torch.Tensor:
    """Return the last states of the words' first subwords, one after the other."""
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i].words))
    found: dict[int, torch.Tensor] = {}
    for at in range(0, len(order), 16):
        numbers = order[at : at + 16]
        batch = tokenizer(
            [sentences[i].words[:WORDS] for i in numbers],
            is_split_into_words=True,
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=128,
        )
        with torch.inference_mode():
            hidden = encoder(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
            ).last_hidden_state
        for row, number in enumerate(numbers):
            vectors = torch.zeros(min(WORDS, len(sentences[number].words)), hidden.shape[-1])
            seen: set[int] = set()
            for place, word in enumerate(batch.word_ids(row)):
                if word is not None and word not in seen:
                    seen.add(word)
                    vectors[word] = hidden[row, place]
            found[number] = vectors
    return torch.cat([found[i] for i in range(len(sentences))])


def probe(vectors: torch.Tensor, labels: torch.Tensor) -> Callable[[torch.Tensor], np.ndarray]:
    """Fit a softmax; return what gives the distributions of other words."""
    torch.manual_seed(0)
    mean, deviation = vectors.mean(0), vectors.std(0) + 1e-6
    layer = torch.nn.Linear(vectors.shape[1], len(LABELS.names))
    optimiser = torch.optim.Adam(layer.parameters(), lr=1e-2, weight_decay=1e-4)
    for _ in range(150):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(layer((vectors - mean) / deviation), labels).backward()
        optimiser.step()

    def distributions(others: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return torch.softmax(layer((others - mean) / deviation), -1).numpy()

    return distributions


class Text:
    """What is counted in the training text of a language: subwords, words, words of names."""

    def __init__(self, tokenizer: Any, sentences: list[Sentence]) -> None:
        lines = tokenizer([" ".join(s.words) for s in sentences], add_special_tokens=False)
        counts = Counter(i for line in lines["input_ids"] for i in line)
        self.subwords = {i: n / counts.total() for i, n in counts.items()}
        words = Counter(w for s in sentences for w in s.words)
        self.words = {w: n for w, n in words.items() if len(w) > 1 and any(map(str.isalpha, w))}
        inside = Counter(
            w
            for s in sentences
            for p in s.spans
            if p.type in TYPES
            for w in s.words[p.start : p.end]
        )
        self.names = {w for w, n in inside.items() if len(w) > 1 and 2 * n > words[w]}


def overlaps(source: Text, target: Text) -> tuple[float, float]:
    """Return the overlap of subword distributions, and the share of words that are names there."""
    shared = sum(min(n, source.subwords.get(i, 0.0)) for i, n in target.subwords.items())
    named = sum(n for w, n in target.words.items() if w in source.names)
    return shared, named / sum(target.words.values())


def main() -> None:
    """Fit, score, compare rules."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("encoder")
    parser.add_argument("--states", type=Path, required=True)
    given = parser.parse_args()
    given.states.mkdir(parents=True, exist_ok=True)
    from transformers import AutoModel

    tokenizer = load_tokenizer(given.encoder)
    encoder: Any = AutoModel.from_pretrained(given.encoder).eval()

    def data(lang: str, part: str, limit: int) -> tuple[torch.Tensor, torch.Tensor, list[Sentence]]:
        sentences, file = read(lang, part, limit), given.states / f"{lang}.{part}.{limit}.pt"
        if not file.exists():
            torch.save(states(sentences, encoder, tokenizer), file)
        labels = [LABELS.encode(gold(s), min(WORDS, len(s.words)), s.id) for s in sentences]
        return torch.load(file, weights_only=True), torch.tensor(np.concatenate(labels)), sentences

    probes = {}
    for lang in SOURCES:
        vectors, labels, _ = data(lang, "train", TRAINED)
        probes[lang] = probe(vectors, labels)
    f1: dict[tuple[str, str], float] = {}
    near: dict[tuple[str, str], tuple[float, float]] = {}
    texts = {lang: Text(tokenizer, read(lang, "train", COMPARED)) for lang in SOURCES}
    asked = {lang: Text(tokenizer, read(lang, "train", 600)) for lang in TARGETS}
    for target in TARGETS:
        vectors, _, sentences = data(target, "dev", TESTED)
        starts = np.cumsum([0, *(min(WORDS, len(s.words)) for s in sentences)])
        for source in SOURCES:
            if source != target:
                found = LABELS.decode(probes[source](vectors), starts)
                f1[target, source] = 100 * span_f1(found, list(map(gold, sentences)))["f1"]
                near[target, source] = overlaps(texts[source], asked[target])
        print(target, *(f"{s} {f1[target, s]:.1f}" for s in SOURCES if s != target), flush=True)

    def elsewhere(target: str, source: str) -> float:
        return fmean(f1[t, source] for t in TARGETS if t not in (target, source))

    rules: dict[str, Callable[[str, str], float]] = {
        "English": lambda t, s: float(s == "en"),
        "overlap of subwords": lambda t, s: near[t, s][0],
        "overlap of names": lambda t, s: near[t, s][1],
        "F1 on other languages' dev": elsewhere,
        "the best": lambda t, s: f1[t, s],
    }
    for name, rule in rules.items():
        chosen, ranks = [], []
        for target in TARGETS:
            mine = [s for s in SOURCES if s != target]
            chosen.append(max(mine, key=lambda s, t=target: rule(t, s)))  # type: ignore[misc]
            values = [rule(target, s) for s in mine]
            ranks.append(spearmanr([f1[target, s] for s in mine], values)[0])
        mean = fmean(f1[t, s] for t, s in zip(TARGETS, chosen, strict=True))
        print(f"{name}: {mean:.1f} ({' '.join(chosen)}), rank correlation {fmean(ranks):.2f}")


if __name__ == "__main__":
    main()
