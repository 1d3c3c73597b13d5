"""``gliner``: a GLiNER model, asked for types by their names or descriptions.

Zaratiana, Tomeh, Holat and Charnois (2023), GLiNER: Generalist Model for Named Entity Recognition
using Bidirectional Transformer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.errors import ModelError
from pipeline.models import ModelSource, locate
from stages.external.kinds.base import LocatedTagger, Opened
from stages.external.spans import FoundSpan, SpanTagger

_NAMES = {"PER": "person", "LOC": "location", "ORG": "organization", "DATE": "date"}
"""What the usual types are asked for as, where the configuration does not say."""


class GlinerOptions(ConfigModel):
    """How the model is asked."""

    names: dict[str, str] = Field(
        default_factory=dict,
        description="what it is asked for, name or description, for each type of the run: {PER: "
        "person, ORG: company or institution}; default: person, location, organization, date, "
        "else the type itself in lower case",
    )
    threshold: float = Field(0.5, gt=0, lt=1, description="least score of an entity")
    natural: bool = Field(
        True, description="hand it text as people write it; false: a space between every two words"
    )
    batch_size: int = Field(16, ge=1, description="texts at once")


class Gliner(LocatedTagger[GlinerOptions]):
    """A GLiNER model: folder or hub id."""

    about: ClassVar[str] = "a GLiNER model, asked for types by name or description (extra gliner)"
    package: ClassVar[str | None] = "gliner"
    extra: ClassVar[str | None] = "gliner"

    def source_problems(self, model: str, source: ModelSource) -> Iterator[str]:
        """Yield that a folder holds no GLiNER model, or one that would be unpickled."""
        if source.path is None:
            return
        if not (source.path / "gliner_config.json").is_file():
            yield f"{model}: no GLiNER model (gliner_config.json) in this folder"
        elif not (source.path / "model.safetensors").is_file():
            yield (
                f"{model}: no model.safetensors in this folder; pytorch_model.bin would be "
                "unpickled, which runs whatever code is in it: save the model as safetensors"
            )

    def open(
        self, model: str, config_dir: Path | None, lang: str, types: Sequence[str], **how: Any
    ) -> Opened:
        """Load the model."""
        from gliner import GLiNER

        folder = locate(model, config_dir).download()
        for problem in self.model_problems(str(folder), None):
            raise ModelError(problem)
        try:
            loaded = GLiNER.from_pretrained(str(folder), local_files_only=True).eval()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(f"{model}: cannot load the GLiNER model ({error})") from error
        asked = {t: self.options.names.get(t, _NAMES.get(t, t.lower())) for t in types}
        if len(set(asked.values())) < len(asked):
            raise ModelError(f"external.names: two types are asked for by one name: {asked}")
        find = partial(_find, loaded, {name: kind for kind, name in asked.items()}, self.options)
        return SpanTagger(find, asked, lang, self.options.natural)


def _find(
    model: Any, types: Mapping[str, str], options: GlinerOptions, texts: Sequence[str]
) -> Iterator[list[FoundSpan]]:
    """Yield what a model finds.

    Args:
        model: The model.
        types: The run's types by what the model is asked for.
        options: How.
        texts: The texts.
    """
    for found in model.inference(
        texts,
        list(types),
        flat_ner=True,
        threshold=options.threshold,
        batch_size=options.batch_size,
    ):
        yield [FoundSpan(e["start"], e["end"], types[e["label"]], float(e["score"])) for e in found]
