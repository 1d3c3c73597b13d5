"""Cutting a vocabulary: ``trim_encoder`` and PyPI's ``vocabtrimmer`` side by side.

    pip download --no-deps vocabtrimmer==0.0.2 && tar xzf vocabtrimmer-0.0.2.tar.gz
    python benchmarks/models/trimming.py ENCODER de.txt held.txt --vocabtrimmer vocabtrimmer-0.0.2

Both cut ENCODER to the same number of subwords for the same text, one sentence a line, and are
compared on text that neither saw: words tokenised as before, subwords per word, words that have
become unknown, and words of other scripts that can no longer be written. vocabtrimmer 0.0.2 does
not run with today's huggingface_hub and transformers 5; names that they dropped get stand-ins here.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

OTHER_SCRIPTS = (
    "Москва Київ Αθήνα ירושלים القاهرة 東京 서울 กรุงเทพ दिल्ली Łódź Đà İstanbul œuvre ẹ̀kọ́"
)


def ours(encoder: Path, text: Path, subwords: int | None, out: Path) -> None:
    """Cut with ``trim_encoder``."""
    from transformers import AutoTokenizer

    from pipeline.config import DataSource
    from pipeline.models import locate
    from xlner.trimming import trim_encoder
    from xlner.trimming.words import count_file

    backend = AutoTokenizer.from_pretrained(encoder).backend_tokenizer
    words = {text.name: dict(count_file(text, backend, DataSource()))}
    trim_encoder(locate(str(encoder)), words, out, size=subwords)


def theirs(encoder: Path, text: Path, subwords: int, out: Path, package: Path) -> None:
    """Cut with vocabtrimmer, from the same file."""
    import huggingface_hub

    if not hasattr(huggingface_hub, "Repository"):
        huggingface_hub.Repository = object  # type: ignore[attr-defined]
    from transformers import PreTrainedTokenizerBase

    if not hasattr(PreTrainedTokenizerBase, "additional_special_tokens"):
        PreTrainedTokenizerBase.additional_special_tokens = []  # type: ignore[attr-defined]
    sys.path.insert(0, str(package))
    from vocabtrimmer import VocabTrimmer

    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(text, Path(folder) / "train.txt")
        trimmer = VocabTrimmer(str(encoder))
        trimmer.trim_vocab(
            language="xx",
            path_to_save=str(out),
            dataset=folder,
            dataset_column="text",
            dataset_name="default",
            dataset_split="train",
            target_vocab_size=subwords,
            min_frequency=1,
            cache_file_vocab=str(Path(folder) / "vocab.json"),
            cache_file_frequency=str(Path(folder) / "frequency.json"),
        )
        trimmer.save_pretrained(str(out))


def unknown(tokenizer: Any, word: str) -> bool:
    """Whether a part of a word cannot be written; by number, as Unigram shows what it has lost."""
    return tokenizer.unk_token_id in tokenizer(word, add_special_tokens=False)["input_ids"]


def judged(full: Any, cut: Any, words: Counter[str]) -> str:
    """Return what has become of the words."""
    total = same = before = after = lost = 0
    for word, count in words.items():
        was, now = full.tokenize(word), cut.tokenize(word)
        total += count
        same += count * (was == now)
        before += count * len(was)
        after += count * len(now)
        lost += count * (unknown(cut, word) and not unknown(full, word))
    unwritable = [
        word for word in OTHER_SCRIPTS.split() if unknown(cut, word) and not unknown(full, word)
    ]
    return (
        f"{len(cut)} subwords; as before {100 * same / total:.2f} %, subwords per word "
        f"{before / total:.3f} -> {after / total:.3f}, unknown {100 * lost / total:.3f} %, "
        f"other scripts lost {len(unwritable)} of {len(OTHER_SCRIPTS.split())}"
    )


def main() -> None:
    """Print a line for each tool."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("encoder", type=Path)
    parser.add_argument("text", type=Path, help="what is cut to, one sentence a line")
    parser.add_argument("held", type=Path, help="what is compared on")
    parser.add_argument("--subwords", type=int, default=20_000)
    parser.add_argument("--vocabtrimmer", type=Path, help="the unpacked source package")
    arguments = parser.parse_args()

    from transformers import AutoTokenizer

    full = AutoTokenizer.from_pretrained(arguments.encoder)
    held = Counter(arguments.held.read_text(encoding="utf-8").split())
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        ours(arguments.encoder, arguments.text, arguments.subwords, Path(folder) / "ours")
        seconds = time.process_time() - start
        cut = AutoTokenizer.from_pretrained(Path(folder) / "ours")
        print(f"trim_encoder: {judged(full, cut, held)} ({seconds:.0f} s)", flush=True)
        if arguments.vocabtrimmer:
            start = time.process_time()
            out = Path(folder) / "theirs"
            theirs(
                arguments.encoder, arguments.text, arguments.subwords, out, arguments.vocabtrimmer
            )
            seconds = time.process_time() - start
            cut = AutoTokenizer.from_pretrained(out)
            print(f"vocabtrimmer: {judged(full, cut, held)} ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
