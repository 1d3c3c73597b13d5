"""``spacy``: any spaCy pipeline with a component that sets ``doc.ents``."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.errors import ModelError
from pipeline.resources import resolve_path
from stages.external.kinds.base import Opened, TaggerKind
from stages.external.spans import FoundSpan, SpanTagger

_NEEDLESS = ("parser", "senter", "sentencizer", "lemmatizer", "textcat")
"""What no entity recogniser reads; a pipeline without them is several times as fast."""


class SpacyOptions(ConfigModel):
    """How the pipeline is asked."""

    natural: bool = Field(
        True, description="hand it text as people write it; false: a space between every two words"
    )
    exclude: list[str] = Field(
        list(_NEEDLESS), description="components of the pipeline that are not loaded"
    )
    batch_size: int = Field(256, ge=1, description="texts at once")


class Spacy(TaggerKind[SpacyOptions]):
    """A spaCy pipeline: an installed package by its name, or a folder."""

    about: ClassVar[str] = "a spaCy pipeline: installed package (fr_core_news_md) or folder"
    package: ClassVar[str | None] = "spacy"
    extra: ClassVar[str | None] = "spacy"

    def model_problems(self, model: str, config_dir: Path | None) -> Iterator[str]:
        """Yield that there is no such pipeline."""
        if self._folder(model, config_dir) is None and _version(model) is None:
            yield (
                f"no spaCy pipeline {model!r} is installed, and it is no folder with a meta.json; "
                f"pip install {model.replace('_', '-')}, or python -m spacy download {model}"
            )

    def identity(self, model: str, config_dir: Path | None) -> Path | str:
        """Return the folder, or name and version of the package."""
        return self._folder(model, config_dir) or f"{model}=={_version(model)}"

    def open(
        self, model: str, config_dir: Path | None, lang: str, types: Sequence[str], **how: Any
    ) -> Opened:
        """Load the pipeline."""
        import spacy

        found = self._folder(model, config_dir) or model
        try:
            nlp = spacy.load(found, exclude=self.options.exclude)
        except (OSError, ValueError, ImportError) as error:
            raise ModelError(f"{model}: cannot load the spaCy pipeline ({error})") from error
        found_by = [p for p in ("ner", "entity_ruler", "beam_ner", "xlner") if p in nlp.pipe_names]
        known = {str(label) for pipe in found_by for label in nlp.get_pipe(pipe).labels}
        if not known:
            raise ModelError(
                f"{model}: no entity recogniser in this pipeline ({', '.join(nlp.pipe_names)})"
            )
        find = partial(_find, nlp, self.options.batch_size)
        return SpanTagger(find, sorted(known), lang, self.options.natural)

    def _folder(self, model: str, config_dir: Path | None) -> Path | None:
        folder = resolve_path(model, config_dir)
        return folder if (folder / "meta.json").is_file() else None


def _find(nlp: Any, batch_size: int, texts: Sequence[str]) -> Iterator[list[FoundSpan]]:
    for doc in nlp.pipe(texts, batch_size=batch_size):
        yield [FoundSpan(e.start_char, e.end_char, e.label_) for e in doc.ents]


def _version(model: str) -> str | None:
    try:
        return importlib.metadata.version(model)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
