"""Links of sentence pairs by ``align_words``, for the benchmarks of projection."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path


def link(
    pairs: Iterable[tuple[Sequence[str], Sequence[str]]],
    lang: str,
    out: Path,
    aligner: str = "auto",
    parallel: Sequence[str] = (),
    source_lang: str = "en",
) -> None:
    """Write links with probabilities of sentence pairs into ``out``.

    Args:
        pairs: Words of both sides.
        lang: Language of the target side.
        out: Where to write, a line per pair.
        aligner: See ``align_words --aligner``.
        parallel: Files with further pairs.
        source_lang: Language of the source side.
    """
    from xlner.commands.align_words import align_words

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "pairs.txt")
        with file.open("w", encoding="utf-8") as lines:
            for source, target in pairs:
                lines.write(f"{' '.join(source)} ||| {' '.join(target)}\n")
        align_words(
            file,
            out=out,
            aligner=aligner,
            source_lang=source_lang,
            target_lang=lang,
            parallel=list(parallel) or None,
            probs=True,
        )
