"""Makes varied, tokenised batches of the packed text, in processes of their own."""

from __future__ import annotations

import itertools
import json
import lzma
import os
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
BASE = 35
Arrays = tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]


def unpack(name: str) -> str:
    """The text of a packed file."""
    return lzma.decompress((HERE / name).read_bytes()).decode()


def settings() -> dict[str, Any]:
    """What `pack.py` noted."""
    found: dict[str, Any] = json.loads((HERE / "settings.json").read_text(encoding="utf-8"))
    return found


def counted(size: int) -> Any:
    """First embeddings, from the counts of what occurs together; `None` where none are packed."""
    path = HERE / "embeddings.npy"
    found = np.load(path).astype(np.float32) if path.is_file() else None
    if found is not None and len(found) != size:
        raise SystemExit(f"{path}: {len(found)} rows for {size} subwords; pack anew")
    return found


class Tokenizer:
    """SentencePiece and Marian's vocabulary: end, unknown, language tags, subwords, padding."""

    def __init__(self) -> None:
        import sentencepiece

        noted = settings()
        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(HERE / "pieces.model"))
        count = self.processor.get_piece_size()
        tags = [f">>{code}<<" for code in (noted["pivot"], *noted["languages"])]
        words = ["</s>", "<unk>", *tags]
        words += [
            self.processor.id_to_piece(i)
            for i in range(count)
            if not (self.processor.is_control(i) or self.processor.is_unknown(i))
        ]
        self.words = [*words, "<pad>"]
        self.vocabulary = {word: index for index, word in enumerate(self.words)}
        self._ids = [self.vocabulary.get(self.processor.id_to_piece(i), 1) for i in range(count)]

    def __len__(self) -> int:
        """The size of the vocabulary."""
        return len(self.words)

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Numbers of the subwords, the end included."""
        return [[*(self._ids[i] for i in row), 0] for row in self.processor.encode(texts)]

    def decode(self, ids: list[int]) -> str:
        """Text of the subwords up to the end."""
        ids = ids[: ids.index(0)] if 0 in ids else ids
        text: str = self.processor.decode_pieces([self.words[i] for i in ids])
        return text.replace("\u2581", " ").strip()


class FastTokenizer(Tokenizer):
    """The same of a `tokenizer.json`, which `starting.py` made of an encoder's."""

    def __init__(self) -> None:
        import tokenizers

        self.backend = tokenizers.Tokenizer.from_file(str(HERE / "tokenizer.json"))
        self.vocabulary = self.backend.get_vocab()
        self.words = sorted(self.vocabulary, key=self.vocabulary.__getitem__)

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Numbers of the subwords, the end included."""
        return [encoded.ids for encoded in self.backend.encode_batch(texts)]

    def decode(self, ids: list[int]) -> str:
        """Text of the subwords up to the end."""
        ids = ids[: ids.index(0)] if 0 in ids else ids
        return "".join(self.words[i] for i in ids).replace("\u2581", " ").strip()


def tokenizer() -> Tokenizer:
    """The tokenizer of the kit."""
    return FastTokenizer() if (HERE / "tokenizer.json").is_file() else Tokenizer()


class Maker:
    """Draws pairs by language and weight, varies them, and cuts them into subwords."""

    def __init__(self) -> None:
        from model_recipes.translator.bilingual import Bilingual, Templates
        from model_recipes.translator.names import Gazetteer
        from model_recipes.translator.variation import Variation

        noted = settings()
        self.subwords = tokenizer()
        self._pivot = noted["pivot"]
        self._into_pivot = noted["into_pivot_share"]
        self._longest = noted["max_subwords"]
        pivot = unpack("pivot.xz").split("\n")
        self._rows: dict[str, list[tuple[str, str, str]]] = {}
        self._groups: dict[str, list[list[int]]] = {}
        self._weights: dict[str, list[float]] = {}
        sizes = {}
        for code in noted["languages"]:
            steps, weights, texts, phrases = (unpack(f"{code}.{k}.xz").split("\n") for k in "nwtp")
            places = itertools.accumulate(map(int, steps))
            sources = [pivot[k] for k in places]
            self._rows[code] = list(zip(sources, texts, phrases, strict=True))
            groups: dict[str, list[int]] = {}
            for k, weight in enumerate(weights):
                groups.setdefault(weight, []).append(k)
            shares = [float(weight) * len(rows) for weight, rows in groups.items()]
            self._groups[code] = list(groups.values())
            self._weights[code] = list(itertools.accumulate(shares))
            sizes[code] = sum(shares) ** noted["sampling_exponent"]
        self._languages = list(sizes)
        self._shares = list(itertools.accumulate(sizes.values()))
        known = json.loads(unpack("known.xz"))

        class Known:
            names = frozenset(known["names"])
            lower = frozenset(known["lower"])

        entities = [tuple(row.split("\t")) for row in unpack("names.xz").split("\n") if row]
        packed = unpack("places.xz").split("\n")
        places_rows = [tuple(row.split("\t")) for row in packed if row]
        changing = {row[2] for row in places_rows if row[2] != row[3]}
        self._variation = Variation(
            Known(),
            Gazetteer(entities, changing | set(known["translated"])),
            Bilingual(places_rows),
            Templates.shipped(self._pivot),
            SimpleNamespace(**noted["mix"]),
        )

    def _draw(self, code: str, rng: random.Random) -> Any:
        from model_recipes.translator.bitext import Bitext, Phrase

        group = rng.choices(self._groups[code], cum_weights=self._weights[code])[0]
        source, target, packed = self._rows[code][rng.choice(group)]
        numbers = [ord(c) - BASE for c in packed]
        phrases = [Phrase(*numbers[k : k + 4]) for k in range(0, len(numbers), 4)]
        return Bitext.of(code, source, target, phrases)

    def texts(self, rng: random.Random, count: int) -> list[tuple[str, str, str]]:
        """Examples: language to translate into, source, target."""
        made = []
        for _ in range(count):
            code = rng.choices(self._languages, cum_weights=self._shares)[0]
            source, target = self._variation.vary(
                self._draw(code, rng), lambda code=code: self._draw(code, rng), rng
            )
            if rng.random() < self._into_pivot:
                source, target, code = target, source, self._pivot
            made.append((code, source, target))
        return made

    def shard(self, seed: int, examples: int, tokens: int) -> list[Arrays]:
        """Padded batches of uint16, of at most about `tokens` positions a side each."""
        rng = random.Random(seed)
        rows = self.texts(rng, examples)
        tags = [self.subwords.vocabulary[f">>{code}<<"] for code, _, _ in rows]
        sources = self.subwords.encode([source for _, source, _ in rows])
        targets = self.subwords.encode([target for _, _, target in rows])
        pairs = [
            ([tag, *source], target)
            for tag, source, target in zip(tags, sources, targets, strict=True)
            if max(len(source) + 1, len(target)) <= self._longest
        ]
        pairs.sort(key=lambda p: (max(len(p[0]), len(p[1])) + rng.random() * 2, len(p[1])))
        batches, start = [], 0
        while start < len(pairs):
            end, width = start, 0
            while end < len(pairs):
                width = max(width, *map(len, pairs[end]))
                if end > start and width * (end - start + 1) > tokens:
                    break
                end += 1
            chunk = pairs[start:end]
            batches.append((self.padded([p[0] for p in chunk]), self.padded([p[1] for p in chunk])))
            start = end
        rng.shuffle(batches)
        return batches

    def padded(self, rows: list[list[int]]) -> Any:
        """Rows of one length."""
        array = np.full((len(rows), max(map(len, rows))), len(self.subwords) - 1, np.uint16)
        for k, row in enumerate(rows):
            array[k, : len(row)] = row
        return array


def work(number: int, examples: int, tokens: int, out: Any, stop: Any) -> None:
    """What a process does: shard after shard, until it is told to stop."""
    os.environ["OMP_NUM_THREADS"] = "1"
    maker = Maker()
    for step in itertools.count():
        if stop.is_set():
            break
        out.put(maker.shard(1_000_003 * (number + 1) + step, examples, tokens))
