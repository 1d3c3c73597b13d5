"""Make the tokenizer of the property tests: multilingual-e5-small's, cut to some thousand subwords.

    python -m tests.stages.train.make_e5_tokenizer E5_FOLDER

It is the real one (Unigram scores, NFKC map, Metaspace) but for its size: the subwords of the
sentences below and every single character of the blocks that the tests draw from. The vocabulary
is that of intfloat/multilingual-e5-small (MIT), itself XLM-R's.
"""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

FILE = Path(__file__).parent / "e5_tokenizer.json.xz"
SENTENCES = (
    "Anna Meier wohnt in Bonn und arbeitet bei der Deutschen Bahn in Frankfurt.",
    "El presidente viajó a Bruselas para reunirse con la Comisión Europea.",
    "Ọ̀gbẹ́ni Adébáyọ̀ ń gbé ní Ìbàdàn, ó sì ń ṣiṣẹ́ ní Èkó pẹ̀lú ẹ̀kọ́.",
    "Ɗan wasan ƙwallon ƙafa ya koma Ƙungiyar Kano Pillars a ƙasar Najeriya.",
    "Rais wa Tanzania alikutana na waziri mkuu wa Kenya jijini Nairobi.",
    "王小明住在北京，在清华大学工作。", "東京都の田中さんはトヨタ自動車で働いています。",
    "นายกรัฐมนตรีเดินทางไปกรุงเทพมหานคร ประเทศไทย", "Москва является столицей России.",
    "يعيش محمد في القاهرة ويعمل في بنك مصر.", "दिल्ली में रहने वाले राम टाटा में काम करते हैं।",
)  # fmt: skip
BLOCKS = ((0x20, 0x250), (0x250, 0x2B0), (0x300, 0x370), (0x1E00, 0x1F00), (0x2000, 0x2070),
          (0x0E00, 0x0E60), (0x3040, 0x3100), (0xFF00, 0xFFEF))  # fmt: skip
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u2581")


def cut(whole: dict[str, Any], kept: set[str]) -> dict[str, Any]:
    """Return a tokenizer with these subwords only, in their order, numbered anew."""
    vocab = [[subword, score] for subword, score in whole["model"]["vocab"] if subword in kept]
    number = {subword: k for k, (subword, _) in enumerate(vocab)}
    small: dict[str, Any] = json.loads(json.dumps({**whole, "model": {}}))
    small["model"] = {**whole["model"], "vocab": vocab, "unk_id": number["<unk>"]}
    small["added_tokens"] = [
        {**token, "id": number[token["content"]]} for token in whole["added_tokens"]
    ]
    for token in small["post_processor"]["special_tokens"].values():
        token["ids"] = [number[subword] for subword in token["tokens"]]
    return small


def main() -> None:
    """Write the fixture."""
    source = Path(sys.argv[1]) / "tokenizer.json"
    whole = json.loads(source.read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(source))
    kept = set(SPECIAL)
    kept |= {chr(c) for first, end in BLOCKS for c in range(first, end)}
    for sentence in SENTENCES:
        kept |= set(sentence)
        for words in (sentence.split(), [sentence], list(sentence)):
            for word in words:
                kept |= set(tokenizer.encode(word, add_special_tokens=False).tokens)
    text = json.dumps(cut(whole, kept), ensure_ascii=False, separators=(",", ":"))
    FILE.write_bytes(lzma.compress(text.encode(), preset=9))
    print(f"{FILE}: {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
