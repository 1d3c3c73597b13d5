"""What a run or a command offers to an aligner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pipeline.errors import ModelError
from pipeline.models import ModelSource, locate
from stages.encoder_facts import is_narrow

Resource = Literal["encoder", "narrow_encoder", "large_encoder", "translator"]

# From this width on, an encoder is taken for one that was pre-trained on a large corpus, whose
# alignments beat those of statistics (multilingual BERT has 768); small ones stay far behind.
_LARGE_WIDTH: Final = 512


@dataclass(frozen=True, slots=True)
class AlignmentContext:
    """The languages at hand, and the models.

    Attributes:
        source: Language of the source words, if known.
        target: Language of the target words, if known.
        encoder: Name of the encoder.
        translator: Name of the translator.
        config_dir: Folder of the config file.
    """

    source: str | None
    target: str | None
    encoder: str | None = None
    translator: str | None = None
    config_dir: Path | None = None

    def has(self, resource: Resource) -> bool:
        """Whether an aligner that needs ``resource`` could work."""
        name = self.translator if resource == "translator" else self.encoder
        if name is None:
            return False
        try:
            model = locate(name, self.config_dir)
            if resource == "encoder":
                return True
            if resource == "narrow_encoder":
                return is_narrow(model.config or {})
            if resource == "large_encoder":
                # What is not on this machine yet is on the hub, where the large ones are.
                width = (model.config or {}).get("hidden_size", _LARGE_WIDTH)
                return bool(width >= _LARGE_WIDTH)
            return model.path is not None and reading_problem(model, self) is None
        except ModelError:
            return False


def reading_problem(model: ModelSource, context: AlignmentContext) -> str | None:
    """Return why the encoder of a translator cannot take both languages, or ``None``."""
    from stages.translate.codes import Languages

    if context.source is None or context.target is None:
        return "aligner 'translator' must be told both languages"
    if model.path is None:
        return None
    try:
        languages = Languages(model.path, model.name)
    except ModelError as error:
        return str(error)
    for lang in (context.source, context.target):
        if languages.code(lang) is None:
            available = ", ".join(languages.available()) or "one direction only"
            return f"{model.name} does not know {lang!r} as a language to read; it has: {available}"
    return None
