"""What ``project_labels`` reads: the two sides of sentence pairs, and a file of their links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.errors import DataError

if TYPE_CHECKING:
    from pipeline.schema import Sentence
    from stages.project.batch import Batch
    from xlner.commands.files import Files

_SURE: Final = 3  # pairs with links, none of them to a word 0, that are no chance
_FROM_ONE: Final = "; if the file counts words from 1, give --links-base 1"


@dataclass(slots=True)
class AlignedFiles:
    """Two aligned files: the sentences of both sides, and batches of them for the projector.

    Attributes:
        sources: The sentences of the labelled side.
        targets: Those of the other.
        batches: Both, with their links.
        repaired: What was repaired and left out in reading, in words.
    """

    sources: list[Sentence] = field(default_factory=list)
    targets: list[Sentence] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)


def read_corpus(
    source: Path,
    target: Path,
    links: Path,
    langs: tuple[str, str],
    score: bool,
    files: Files,
    links_base: int | None = None,
) -> AlignedFiles:
    """Read two sides of sentence pairs and their links, row for row.

    Args:
        source: The labelled side.
        target: The other side.
        links: A line of links per pair.
        langs: The languages of both sides.
        score: Whether the labels of the other side are read, too.
        files: How files are read.
        links_base: The number that the first word has in the file of links; ``None``: 0, unless
            the links speak against it.

    Raises:
        DataError: If the rows do not match, links point to no words or seem to count from another
            number, or labels are missing.
    """
    from pipeline.formats import read_pharaoh
    from pipeline.formats.reading import other_numbers
    from stages.project.batch import Batch, LabelledPair
    from stages.project.build import BATCH_ROWS
    from stages.project.words import Vocabulary

    labelled = _SentenceFile("source", source, langs[0], files, labels=True)
    others = _SentenceFile("target", target, langs[1], files, labels=score)
    files.refuse_idle()
    aligned = read_pharaoh(links, base=links_base or 0)
    corpus, vocabulary = AlignedFiles(), Vocabulary()
    linked, from_one = 0, True  # pairs that have links, and whether no link is to a word 0
    while True:
        left, right = list(islice(labelled, BATCH_ROWS)), list(islice(others, BATCH_ROWS))
        lines = list(islice(aligned, BATCH_ROWS))
        if len({len(left), len(right), len(lines)}) > 1:
            sizes = [
                len(corpus.sources) + len(chunk) + sum(1 for _ in rest)
                for chunk, rest in ((left, labelled), (right, others), (lines, aligned))
            ]
            if sizes[0] != sizes[1]:
                forms = (labelled.format, others.format)
                message = other_numbers((source, target), forms, (sizes[0], sizes[1]))
                told = "".join(f"; {text}" for text in (*labelled.repaired(), *others.repaired()))
                raise DataError(message + told)
            raise DataError(
                f"{source} has {sizes[0]} sentences but {links} has {sizes[2]} lines; "
                "there must be one line of links per pair (an empty one for none)"
            )
        if not left:
            break
        pairs = [
            LabelledPair(s.words, s.spans, t.words, [*line.sure, *line.possible], id=s.id)
            for s, t, line in zip(left, right, lines, strict=True)
        ]
        for pair in pairs:
            linked += bool(pair.links)
            from_one = from_one and all(k.source and k.target for k in pair.links)
        try:
            corpus.batches.append(Batch.from_pairs(pairs, vocabulary))
        except DataError as error:
            hint = _FROM_ONE if links_base is None and from_one else ""
            raise DataError(f"{links}: {error}{hint}") from None
        corpus.sources += left
        corpus.targets += right
    if links_base is None and from_one and linked >= _SURE:
        raise DataError(
            f"{links}: no link of its {linked} linked pairs is to a word 0{_FROM_ONE}, "
            "if not, --links-base 0"
        )
    if score and not others.has_labels:
        raise DataError(f"--score: {target} has no labels to score against")
    corpus.repaired = [*labelled.repaired(), *others.repaired()]
    return corpus


class _SentenceFile(Iterator["Sentence"]):
    """The sentences of a file, empty ones included; equal words are one string in memory.

    Attributes:
        format: The format that it is read as.
        has_labels: Whether the file has labels; known once it is read.
    """

    def __init__(self, side: str, path: Path, lang: str, files: Files, *, labels: bool) -> None:
        from pipeline.formats import read_labelled
        from pipeline.formats.foreign import refuse_foreign
        from pipeline.formats.format import Sample
        from stages.align.inputs import Uncut

        how = files.of(path, side=side, labelled=labels)
        if how.format == "text" and labels:
            refuse_foreign(Sample(path, encoding=how.encoding))
            raise DataError(
                f"{path} is read as plain text, which has no labels; if it has some, set format to "
                "what it is"
            )
        self._stream = read_labelled(how, lang, path=path, labelled=labels, keep_empty=True)
        self._path = path
        self.format = how.format
        self._uncut = Uncut(path) if how.format == "text" else None
        self._words: dict[str, str] = {}
        self.has_labels = self._stream.report.scheme is not None

    def repaired(self) -> list[str]:
        """Return what was repaired and left out, in words; complete once the file is read."""
        found = self._stream.report.repairs(empty_kept=True)
        return [f"{self._path}: {', '.join(found)}"] if found else []

    def __next__(self) -> Sentence:
        """Return the next sentence.

        Raises:
            DataError: After the last, if words were left out, as links would point elsewhere, or
                if it is text that is not cut into words.
        """
        try:
            sentence = next(self._stream)
        except StopIteration:
            if self._uncut:
                self._uncut.refuse()
            invisible = self._stream.report.repaired["invisible_words"]
            if invisible:
                raise DataError(
                    f"{self._path}: {invisible} words have no visible character; remove them "
                    "before aligning, or the links would point to the wrong words"
                ) from None
            raise
        if self._uncut:
            self._uncut.feed(sentence.words)
        self.has_labels = self.has_labels or bool(sentence.spans)
        sentence.words = [self._words.setdefault(w, w) for w in sentence.words]
        return sentence
