"""A batch of sentence pairs as flat arrays: words, entities and links of many rows end to end.

Positions are *flat*: word ``j`` of row ``r`` is ``target.offsets[r] + j``. So one array operation
serves a whole part, and the cost per sentence no longer depends on the interpreter.

Combining marks that a tokeniser cut off (``Ìgbìmọ``, ``̀``) are put back on the target word before
them, so that the word looks as it does elsewhere and is never cut; :meth:`Batch.tokens` leads back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from pipeline.errors import DataError
from pipeline.listed import listed, words_of
from pipeline.schema import Link, Span
from stages.project.words import BoolArray, CodedWords, FloatArray, IntArray, Vocabulary
from stages.ranges import list_lengths


@dataclass(slots=True)
class LabelledPair:
    """One sentence pair to project: the input of every projector, for use without Arrow.

    Attributes:
        source_words: The labelled side.
        source_spans: Its entities; they must not overlap.
        words: The side to project on to.
        links: Alignment links between the two.
        marked: The translation with markers around the entities, where they were used.
        id: For messages.
    """

    source_words: Sequence[str]
    source_spans: Sequence[Span]
    words: Sequence[str]
    links: Sequence[Link] = ()
    marked: str | None = None
    id: str = ""


def _lists(pair: LabelledPair) -> LabelledPair:
    """Return a pair whose parts are lists, whatever they came in."""
    parts = (pair.source_words, pair.source_spans, pair.words, pair.links)
    if all(isinstance(part, list | tuple) for part in parts):
        return pair
    what = f"project: sentence {pair.id!r}"
    return replace(
        pair,
        source_words=words_of(pair.source_words, f"{what}: source_words"),
        source_spans=listed(pair.source_spans, f"{what}: source_spans"),
        words=words_of(pair.words, f"{what}: words"),
        links=listed(pair.links, f"{what}: links"),
    )


@dataclass(slots=True)
class Batch:
    """Sentence pairs in flat arrays.

    Attributes:
        vocabulary: What the codes stand for.
        source: The labelled side.
        target: The side to project on to.
        target_tokens: The same as it was tokenised: other than ``target`` where marks were cut off.
        entity_row: Row of each entity, ascending.
        entity_start: Flat source position of its first word.
        entity_end: Flat source position after its last word.
        entity_type: Type of each entity.
        entity_index: Its index among the row's source spans.
        link_source: Flat source position of each link.
        link_target: Flat target position of each link.
        link_prob: Probability of each link.
        ids: Sentence ids.
        marked: Marked translations, per row.
        cased_rows: See :func:`stages.project.features.cased_rows`, which fills it in.
        alone: The translation of each entity by itself, one row per entity, if there are any.
        first_token: ``(n_target_words + 1,)``: the first token of each target word, counted over
            all rows, where marks were put back on their words; otherwise ``None``.
    """

    vocabulary: Vocabulary
    source: CodedWords
    target: CodedWords
    target_tokens: CodedWords
    entity_row: IntArray
    entity_start: IntArray
    entity_end: IntArray
    entity_type: list[str]
    entity_index: IntArray
    link_source: IntArray
    link_target: IntArray
    link_prob: FloatArray
    ids: list[str] = field(default_factory=list)
    marked: list[str | None] = field(default_factory=list)
    cased_rows: BoolArray | None = field(default=None, repr=False, compare=False)
    alone: CodedWords | None = None
    first_token: IntArray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.source.offsets) - 1

    @property
    def n_entities(self) -> int:
        """Number of entities in the batch."""
        return len(self.entity_row)

    def tokens(self, rows: IntArray, start: IntArray, end: IntArray) -> tuple[IntArray, IntArray]:
        """Return where ranges of target words begin and end in their rows, counted in tokens.

        Args:
            rows: The row of each range.
            start: Flat target position of its first word.
            end: Flat target position after its last word.
        """
        offsets = self.target.offsets[rows]
        if self.first_token is None:
            return start - offsets, end - offsets
        first = self.first_token[offsets]
        return self.first_token[start] - first, self.first_token[end] - first

    @classmethod
    def from_pairs(
        cls, pairs: Iterable[LabelledPair], vocabulary: Vocabulary | None = None
    ) -> Batch:
        """Build a batch from pairs.

        Raises:
            DataError: If a span or a link points outside its sentence, or source spans overlap.
        """
        vocabulary = Vocabulary() if vocabulary is None else vocabulary  # an empty one is false
        pairs = [_lists(pair) for pair in listed(pairs, "project: the pairs")]
        spans = [(r, k, s) for r, p in enumerate(pairs) for k, s in enumerate(p.source_spans)]
        links = [(r, x) for r, p in enumerate(pairs) for x in p.links]
        return cls._build(
            vocabulary,
            CodedWords.of_sentences([p.source_words for p in pairs], vocabulary),
            CodedWords.of_sentences([p.words for p in pairs], vocabulary),
            _columns([(r, s.start, s.end, k) for r, k, s in spans], 4),
            [s.type for _, _, s in spans],
            _columns([(r, x.source, x.target) for r, x in links], 3),
            np.array([x.prob for _, x in links], np.float64),
            [p.id for p in pairs],
            [p.marked for p in pairs],
        )

    @classmethod
    def from_tables(
        cls,
        translations: pa.Table,
        alignments: pa.Table,
        vocabulary: Vocabulary | None = None,
        *,
        labelled: pa.Table | None = None,
    ) -> Batch:
        """Build a batch from one part of a ``translations`` and of an ``alignments`` dataset.

        Args:
            translations: Sentences and their translations, to whose words entities go forth.
            alignments: The links between the two.
            vocabulary: What is known of words.
            labelled: Predictions for the translations, row by row: then these are the labelled
                side, and entities go back to the words of the sentences.

        Raises:
            DataError: If the tables do not hold the same rows, or an index is out of range.
        """
        if translations.num_rows != alignments.num_rows:
            raise DataError(
                f"{translations.num_rows} translations but {alignments.num_rows} alignments in "
                "the same part: align again"
            )
        ids = translations.column("id").to_pylist()
        for left, right in zip(ids, alignments.column("id").to_pylist(), strict=True):
            if left != right:
                raise DataError(f"translation {left!r} stands beside alignment {right!r}")
        vocabulary = Vocabulary() if vocabulary is None else vocabulary  # an empty one is false
        source, target = ("source", "target") if labelled is None else ("target", "source")
        words = {"source": "source_words", "target": "words"}
        if labelled is None:
            span_rows, spans = _flatten(translations, "source_spans")
        else:
            _check_labelled(translations, labelled)
            span_rows, spans = _flatten(labelled, "spans")
        link_rows, links = _flatten(alignments, "links")
        linked_from, linked_to = _ints(links, source), _ints(links, target)
        prob = links.field("prob").to_numpy(zero_copy_only=False).astype(np.float64)
        # Links are stored in the order of the sentences' words; it is that of the labelled side's.
        order = np.lexsort((linked_to, linked_from, link_rows)) if labelled is not None else ...
        return cls._build(
            vocabulary,
            _side_of_column(translations, words[source], vocabulary),
            _side_of_column(translations, words[target], vocabulary),
            (
                span_rows,
                _ints(spans, "start"),
                _ints(spans, "end"),
                np.arange(len(span_rows)) - np.searchsorted(span_rows, span_rows),
            ),
            spans.field("type").to_pylist(),
            (link_rows[order], linked_from[order], linked_to[order]),
            prob[order],
            ids,
            translations.column("marked").to_pylist() if labelled is None else [None] * len(ids),
        )

    @classmethod
    def _build(
        cls,
        vocabulary: Vocabulary,
        source: CodedWords,
        target: CodedWords,
        spans: Iterable[IntArray],
        span_type: list[str],
        links: Iterable[IntArray],
        link_prob: FloatArray,
        ids: list[str],
        marked: list[str | None],
    ) -> Batch:
        span_row, span_start, span_end, span_index = spans
        link_row, link_source, link_target = links
        bad = np.flatnonzero(
            (span_start < 0) | (span_end <= span_start) | (span_end > source.lengths[span_row])
        )
        if len(bad):
            k = bad[0]
            raise DataError(
                f"sentence {ids[span_row[k]]!r}: the span [{span_start[k]}, {span_end[k]}) is "
                f"outside its {source.lengths[span_row[k]]} source words"
            )
        bad = np.flatnonzero(
            (link_source < 0)
            | (link_target < 0)
            | (link_source >= source.lengths[link_row])
            | (link_target >= target.lengths[link_row])
        )
        if len(bad):
            k, row = bad[0], link_row[bad[0]]
            raise DataError(
                f"sentence {ids[row]!r}: the link {link_source[k]}-{link_target[k]} is outside "
                f"its {source.lengths[row]} source and {target.lengths[row]} target words"
            )
        start = span_start + source.offsets[span_row]
        end = span_end + source.offsets[span_row]
        order = np.argsort(start, kind="stable")
        clash = np.flatnonzero(start[order][1:] < end[order][:-1])
        if len(clash):
            k = order[clash[0]]
            raise DataError(
                f"sentence {ids[span_row[k]]!r}: two source spans overlap at word "
                f"{span_end[k] - 1}; spans must not share words"
            )
        linked = link_target + target.offsets[link_row]
        linked_from = link_source + source.offsets[link_row]
        words, first_token = _with_marks(target, vocabulary)
        if first_token is not None:
            linked = np.searchsorted(first_token, linked, side="right") - 1
            linked_from, linked, link_prob = _strongest(linked_from, linked, link_prob)
        # Entities in the order of their words: rows ascend, and so do starts within a row.
        return cls(
            vocabulary,
            source,
            words,
            target,
            span_row[order],
            start[order],
            end[order],
            [span_type[k] for k in order],
            span_index[order],
            linked_from,
            linked,
            np.clip(np.nan_to_num(link_prob), 0.0, 1.0),
            ids,
            marked,
            first_token=first_token,
        )


def _check_labelled(translations: pa.Table, labelled: pa.Table) -> None:
    columns = ["id", "words"]
    ours, theirs = translations.select(columns), labelled.select(columns)
    if ours.num_rows == theirs.num_rows and ours.equals(theirs):
        return
    for one, other in zip(ours.to_pylist(), theirs.to_pylist(), strict=True):
        if one["id"] != other["id"] or (one["words"] or []) != (other["words"] or []):
            raise DataError(
                f"translation {one['id']!r} is not what was labelled as {other['id']!r}: predict "
                "again"
            )


def _columns(rows: Sequence[tuple[int, ...]], count: int) -> IntArray:
    return np.array(rows, np.int64).reshape(-1, count).T


def _with_marks(side: CodedWords, vocabulary: Vocabulary) -> tuple[CodedWords, IntArray | None]:
    """Put marks back on the word before them.

    Returns:
        The side, and the first token of each word and after the last one; ``None`` if no word has
        a mark cut off.
    """
    cut_off = vocabulary.marks[side.codes]
    cut_off[side.offsets[:-1][side.lengths > 0]] = False
    if not cut_off.any():
        return side, None
    first = np.append(np.flatnonzero(~cut_off), len(side.codes))
    codes = side.codes[first[:-1]]
    names = vocabulary.words
    several = np.flatnonzero(np.diff(first) > 1)
    codes[several] = vocabulary.encode(
        "".join(names[c] for c in side.codes[first[k] : first[k + 1]]) for k in several
    )
    return CodedWords(codes, np.searchsorted(first, side.offsets), side.rows[first[:-1]]), first


def _strongest(
    source: IntArray, target: IntArray, prob: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Keep the strongest of several links between the same two words; no probability is worst."""
    order = np.lexsort((-np.nan_to_num(prob), target, source))
    source, target, prob = source[order], target[order], prob[order]
    again = (source[1:] == source[:-1]) & (target[1:] == target[:-1])
    kept = np.concatenate([[True], ~again]) if len(source) else np.zeros(0, np.bool_)
    return source[kept], target[kept], prob[kept]


def _side_of_column(table: pa.Table, name: str, vocabulary: Vocabulary) -> CodedWords:
    column = table.column(name).combine_chunks()
    # Arrow finds the distinct words, so that Python sees each of them once.
    words = column.flatten().dictionary_encode()
    codes = vocabulary.encode(words.dictionary.to_pylist())
    return CodedWords.of_lengths(
        codes[words.indices.to_numpy(zero_copy_only=False)], list_lengths(column)
    )


def _flatten(table: pa.Table, name: str) -> tuple[IntArray, pa.StructArray]:
    column = table.column(name).combine_chunks()
    return np.repeat(np.arange(len(column)), list_lengths(column)), column.flatten()


def _ints(items: pa.StructArray, name: str) -> IntArray:
    return items.field(name).to_numpy(zero_copy_only=False).astype(np.int64)
