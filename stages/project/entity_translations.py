"""Entities translated alone (Jain et al. 2019): how a translator renders an entity by itself.

Every distinct entity of a corpus is translated once. Where a sentence renders the entity in other
words than it is spelt (``Lake Constance``, ``Bodensee``), the translation is what a candidate is
compared with, if that is more similar: see :func:`stages.project.evidence.spelling_evidence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from stages.project.batch import Batch
from stages.project.words import CodedWords
from stages.translate.cleaning import clean_words
from stages.translate.decoding import DecodingConfig
from stages.translate.kinds.base import TranslatorKind

Words = tuple[str, ...]
Translate = Callable[[Sequence[Words]], Sequence[Sequence[str]]]
"""Entities to the words of their translations; an empty list where there is none."""
FILE: Final = "entities.parquet"


class EntityTranslations:
    """The translation of each entity.

    Args:
        words: Words of an entity to the words of its translation.
    """

    def __init__(self, words: Mapping[Words, Sequence[str]]) -> None:
        self.words = words

    @classmethod
    def of_entities(cls, entities: Iterable[Words], translate: Translate) -> EntityTranslations:
        """Translate each distinct entity once, in an order that is always the same."""
        distinct = sorted(set(entities))
        return cls(dict(zip(distinct, translate(distinct), strict=True)))

    def attach(self, batch: Batch) -> Batch:
        """Set ``batch.alone``; entities that are not known have no words there."""
        found = [self.words.get(entity, ()) for entity in entities_of(batch)]
        batch.alone = CodedWords.of_sentences(found, batch.vocabulary)
        return batch

    def save(self, folder: Path) -> None:
        """Write the translations into ``folder``."""
        import pyarrow.parquet as pq

        words = pa.list_(pa.string())
        table = pa.table(
            {
                "entity": pa.array([list(e) for e in self.words], words),
                "words": pa.array([list(w) for w in self.words.values()], words),
            }
        )
        pq.write_table(table, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> EntityTranslations | None:
        """Read what :meth:`save` wrote; ``None`` where nothing was."""
        import pyarrow.parquet as pq

        if not (folder / FILE).exists():
            return None
        rows = pq.read_table(folder / FILE).to_pylist()
        return cls({tuple(row["entity"]): row["words"] for row in rows})


def entities_of(batch: Batch) -> list[Words]:
    """Return the words of every entity of a batch."""
    names = batch.vocabulary.words
    words = [names[code] for code in batch.source.codes]
    return [
        tuple(words[start:end])
        for start, end in zip(batch.entity_start.tolist(), batch.entity_end.tolist(), strict=True)
    ]


def entities_of_tables(tables: Iterable[pa.Table]) -> set[Words]:
    """Return the distinct entities of ``translations``, which are read once, streaming."""
    found: set[Words] = set()
    for table in tables:
        for row in table.select(["source_words", "source_spans"]).to_pylist():
            words = row["source_words"] or []
            for span in row["source_spans"] or []:
                found.add(tuple(words[span["start"] : span["end"]]))
    return found


def translator(
    model: Path, name: str, source: str, target: str, kind: TranslatorKind[Any] | None = None
) -> Translate:
    """Return a function that translates entities with a model; it is loaded when first needed.

    Args:
        model: Folder of the model.
        name: Its name, for messages.
        source: ISO code of the language of the entities.
        target: ISO code of the language to translate to.
        kind: What drives it; default: found from the folder. Always by search and to one
            translation, so that the same entities are always translated the same.
    """

    def translate(entities: Sequence[Words]) -> list[list[str]]:
        from stages.tokenise import detokenise, tokenise
        from stages.translate.kinds.auto import AutoTranslator

        driver = kind if kind is not None else AutoTranslator(DecodingConfig())
        loaded = driver.to_one().load(model, source, target, name=name)
        found = loaded.translate([detokenise(clean_words(words), source) for words in entities])
        return [tokenise(h[0].text, target) if h[0].reason is None else [] for h in found]

    return translate
