"""A tagger as a component of a spaCy pipeline: ``nlp.add_pipe("xlner", config={"model": …})``.

spaCy finds it by its entry point, without an import. Words are spaCy's; entities go into
``doc.ents`` and their scores into ``span._.score``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import srsly
from spacy.language import Language
from spacy.tokens import Doc, Span

from pipeline.errors import ModelError
from pipeline.listed import batched
from pipeline.models import locate
from stages.external.loading import load_tagger
from stages.tagger.word_tagger import WordTagger

_MODEL = "model"


@Language.factory(
    "xlner",
    default_config={"model": "", "batch_tokens": None, "keep": False},
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "span._.score"],
    requires=[],
)
def make(
    nlp: Language, name: str, model: str, batch_tokens: int | None, keep: bool
) -> NerComponent:
    """Return the component; the tagger is loaded when it is first asked.

    Args:
        nlp: The pipeline.
        name: The component's name in it.
        model: Folder or hub id of a tagger.
        batch_tokens: Most subwords in a batch.
        keep: Keep entities that are there, and add those that overlap none of them.
    """
    return NerComponent(name, model, batch_tokens, keep)


class NerComponent:
    """Labels the entities of docs.

    Args:
        name: Its name in the pipeline.
        model: Folder or hub id of a tagger.
        batch_tokens: Most subwords in a batch.
        keep: Keep entities that are there, and add those that overlap none of them.
    """

    def __init__(
        self, name: str, model: str, batch_tokens: int | None = None, keep: bool = False
    ) -> None:
        self.name = name
        self._model = model
        self._batch_tokens = batch_tokens
        self._keep = keep
        self._tagger: WordTagger | None = None
        # Of a pipeline that was read from bytes: the folder lasts as long as the component.
        self._unpacked: tempfile.TemporaryDirectory[str] | None = None
        if not Span.has_extension("score"):
            Span.set_extension("score", default=None)

    @property
    def tagger(self) -> WordTagger:
        """The tagger.

        Raises:
            ModelError: If none is named, or it cannot be loaded.
        """
        if self._tagger is None:
            self._tagger = load_tagger(self._folder(), batch_tokens=self._batch_tokens)
        return self._tagger

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types; none while there is no tagger to ask.

        spaCy wants them of a pipeline that it builds, before it says where the tagger is.
        """
        if self._tagger is None and not Path(self._model or "-").is_dir():
            return ()
        return tuple(self.tagger.label_set.types)

    def __call__(self, doc: Doc) -> Doc:
        """Label one doc."""
        (labelled,) = self._label([doc])
        return labelled

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Label a stream of docs, a batch at a time."""
        for batch in batched(stream, batch_size):
            yield from self._label(batch)

    def _label(self, docs: list[Doc]) -> list[Doc]:
        # spaCy has tokens of white space, which are no words to a tagger.
        places = [[t.i for t in doc if not t.is_space] for doc in docs]
        words = [[doc[i].text for i in where] for doc, where in zip(docs, places, strict=True)]
        for doc, where, found in zip(docs, places, self.tagger.predict(words), strict=True):
            kept = list(doc.ents) if self._keep else []
            taken = {t.i for span in kept for t in span}
            spans = []
            for entity in found:
                start, end = where[entity.start], where[entity.end - 1] + 1
                if taken.isdisjoint(range(start, end)):
                    span = Span(doc, start, end, label=entity.type)
                    span._.score = entity.score
                    spans.append(span)
            doc.set_ents([*kept, *spans])
        return docs

    def _folder(self) -> Path:
        if not self._model:
            raise ModelError(
                'the spaCy component xlner has no model: nlp.add_pipe("xlner", config={"model": '
                '"folder or hub id"})'
            )
        return locate(self._model).download()

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the tagger with the pipeline."""
        folder = Path(path) / _MODEL
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self._files().items():
            (folder / name).write_bytes(content)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> NerComponent:
        """Take the tagger that was saved with the pipeline."""
        folder = Path(path) / _MODEL
        if folder.is_dir():
            self._use(folder)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Return the tagger's files; processes of ``nlp.pipe(n_process=…)`` get it so."""
        packed: bytes = srsly.msgpack_dumps(self._files())
        return packed

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> NerComponent:
        """Take the tagger whose files these are."""
        unpacked = tempfile.TemporaryDirectory(prefix="xlner-")
        for name, content in srsly.msgpack_loads(data).items():
            if Path(name).name != name:
                raise ModelError(f"the spaCy component xlner: {name!r} is no file of a tagger")
            (Path(unpacked.name) / name).write_bytes(content)
        self._unpacked = unpacked
        self._use(Path(unpacked.name))
        return self

    def _use(self, folder: Path) -> None:
        self._model = str(folder)
        self._tagger = None

    def _files(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in sorted(self._folder().iterdir()) if p.is_file()}
