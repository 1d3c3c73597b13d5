"""What a kind of aligner says of itself: its options, what it needs, how it learns and loads.

A new aligner is a module with a subclass of :class:`AlignerKind`, named in
:data:`stages.align.kinds.ALIGNERS` or, in another package, by an entry point of the group
``xlner.aligners``. The modules must import in milliseconds: torch and its friends are imported
where something is loaded.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pipeline.kinded import Kind, O_co
from pipeline.models import ModelSource
from pipeline.task import no_advance
from stages.align.setting import Setting
from stages.word_alignment.aligner import Aligner, LinkedWords
from stages.word_alignment.pair_source import PairSource

if TYPE_CHECKING:
    from pipeline.progress import Progress
    from stages.align.context import AlignmentContext


@dataclass(frozen=True, slots=True)
class PairsToLearn:
    """The corpus for aligners that learn from it before they align a row.

    Attributes:
        own: The pairs that will be aligned.
        extra: Further pairs in the same languages.
        size: Number of pairs that will be aligned, if known.
        progress: Where to show progress, if anywhere.
        hints: What members of an ensemble that guide ``statistical`` link in some of the pairs.
    """

    own: PairSource
    extra: PairSource
    size: int | None = None
    progress: Progress | None = None
    hints: Sequence[LinkedWords] = ()

    @contextmanager
    def shown(self, label: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        """Show a progress bar; what it yields is called with what is done."""
        if self.progress is None:
            yield no_advance
            return
        with self.progress.task(label, total, unit=unit) as bar:
            yield bar.advance


class AlignerKind(Kind[O_co]):
    """A kind of aligner with its options.

    Attributes:
        needs: The model that it reads, by its name in the section ``models``, if any. Its options
            may have a ``model`` that is taken instead.
        learns: Whether it learns from the whole corpus first.
        fine_tunes: Whether its model then learns from the links of all.
        judged: Whether its weight in an ensemble may go by its agreement with ``statistical``.
    """

    needs: ClassVar[Literal["encoder", "translator"] | None] = None
    learns: bool = False
    fine_tunes: bool = False
    judged: ClassVar[bool] = False

    def problems(
        self, model: ModelSource | None, context: AlignmentContext, device: str
    ) -> Iterator[tuple[str, str]]:
        """Yield what is wrong, as the key (below the section) and a message; loads nothing."""
        return iter(())

    def learn(self, pairs: PairsToLearn, setting: Setting, model: Path | None, to: Path) -> None:
        """Learn from the whole corpus and write that into the folder ``to``."""
        raise NotImplementedError(f"{type(self).__name__} learns, but does not say how")

    def fine_tune(
        self,
        linked: Sequence[LinkedWords],
        pairs: PairsToLearn,
        setting: Setting,
        model: Path | None,
        learnt: Path,
    ) -> None:
        """Let its model learn links, and add that to the folder ``learnt``.

        Args:
            linked: A sample of the pairs, and what links their words.
            pairs: The corpus.
            setting: What goes for every aligner.
            model: Folder of the model that it :attr:`needs`.
            learnt: What :meth:`learn` wrote.
        """
        raise NotImplementedError(f"{type(self).__name__} fine-tunes, but does not say how")

    @abstractmethod
    def load(self, setting: Setting, model: Path | None, learnt: Path) -> Aligner:
        """Build the aligner, loading its model.

        Args:
            setting: What goes for every aligner.
            model: Folder of the model that it :attr:`needs`.
            learnt: What :meth:`learn` wrote.
        """
