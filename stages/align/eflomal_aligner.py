"""The aligner ``eflomal``: the optional package (GPL, never bundled), on several granularities."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ConfigError
from pipeline.schema import Link
from pipeline.task import Advance, no_advance
from stages.word_alignment.aligner import ASSERTED, Aligner, WordPair
from stages.word_alignment.pair_source import PairSource, digest
from stages.word_alignment.statistical.known import KnownLinks
from stages.word_alignment.statistical.spelling import GRANULARITIES


class EflomalAligner(Aligner):
    """Hands out the links that eflomal (Östling and Tiedemann 2016) made of the whole corpus.

    The probability of a link is the share of its runs (both directions on each granularity) that
    made it. eflomal reads its seed from ``/dev/urandom`` and has no option to set one, so two runs
    differ a little; what one run found is kept with the alignments.

    Args:
        known: The links of the pairs that were to be aligned.
        floor: The least probability of a link that is handed out.
    """

    name = "eflomal"

    def __init__(self, known: KnownLinks, floor: float = ASSERTED) -> None:
        self._known = known
        self._floor = floor

    def _align(self, pairs: Sequence[WordPair], advance: Advance) -> list[list[Link]]:
        """Align sentence pairs that were among those of :meth:`fit`; others stay unaligned."""
        advance(len(pairs))
        return [found or [] for found in self._known.look_up(pairs, self._floor)]

    @staticmethod
    def fit(
        own: PairSource, extra: PairSource, folder: Path, advance: Advance = no_advance
    ) -> None:
        """Align a corpus and write the links into a folder, for :meth:`load`.

        Args:
            own: The pairs to align.
            extra: Further pairs to learn from.
            folder: Where to write.
            advance: Told each of the runs that is done, one for each of :data:`GRANULARITIES`.

        Raises:
            ConfigError: If eflomal is not installed.
        """
        try:
            import eflomal
        except ImportError:
            raise ConfigError(
                "align.aligner: eflomal is not installed; install it (pip install eflomal), or use "
                "'statistical', which needs no extra package"
            ) from None
        pairs = [*{digest(*p): (list(p[0]), list(p[1])) for p in own() if all(p)}.values()]
        further = [(list(a), list(b)) for a, b in extra() if a and b]
        votes: list[dict[tuple[int, int], int]] = [{} for _ in pairs]
        for form in GRANULARITIES.values():
            _run(eflomal, [*pairs, *further], form, votes)
            advance(1)
        runs = 2 * len(GRANULARITIES)
        owner = np.repeat(np.arange(len(pairs)), [len(v) for v in votes])
        words = np.array([k for v in votes for k in sorted(v)], np.int64).reshape(-1, 2)
        probs = np.array([v[k] / runs for v in votes for k in sorted(v)], np.float32)
        folder.mkdir(parents=True, exist_ok=True)
        KnownLinks.of(pairs, owner, words, probs).save(folder)

    @classmethod
    def load(cls, folder: Path, *, floor: float = ASSERTED) -> EflomalAligner:
        """Read what :meth:`fit` wrote."""
        return cls(KnownLinks.load(folder), floor)


def _run(
    eflomal: Any,
    pairs: Sequence[WordPair],
    form: Any,
    votes: list[dict[tuple[int, int], int]],
) -> None:
    """Run eflomal on one form of the words, and count its links of the first pairs."""
    if not any(a and b for a, b in pairs):
        return  # it divides by the number of pairs

    def line(words: Sequence[str]) -> str:
        # White space inside a word would make two of it.
        return " ".join("_".join(form(w).split()) or "_" for w in words) + "\n"

    with tempfile.TemporaryDirectory() as name:
        files = [str(Path(name) / side) for side in ("ahead", "back")]
        eflomal.Aligner().align(
            (line(a) for a, _ in pairs),
            (line(b) for _, b in pairs),
            links_filename_fwd=files[0],
            links_filename_rev=files[1],
        )
        for file in files:
            with Path(file).open(encoding="ascii") as lines:
                for found, text in zip(votes, lines, strict=False):
                    for item in text.split():
                        i, j = item.split("-")
                        key = (int(i), int(j))
                        found[key] = found.get(key, 0) + 1
