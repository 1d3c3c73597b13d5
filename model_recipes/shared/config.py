"""What the options of both model-making stages share."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from model_recipes.shared.corpus import CorpusConfig, TrainingText
from model_recipes.shared.loop import NEUTRAL_OPTIONS, LoopConfig
from pipeline.config import StageConfig

_BUDGET = frozenset({"max_minutes", "max_steps"})


class PretrainingConfig(StageConfig):
    """Text, vocabulary size, budget."""

    corpus: CorpusConfig = Field(CorpusConfig(), description="which text the model is made from")
    subwords: int = Field(6000, gt=0, description="size of the vocabulary, in subwords")
    embeddings: Literal["cooccurrence", "random"] = Field(
        "cooccurrence",
        description="where the embeddings start: at what occurs together in the text, or anywhere",
    )
    start_from: Path | None = Field(
        None,
        description="A model folder that this stage made: training goes on from its"
        " weights, with its subwords",
    )
    sampling_exponent: float = Field(
        0.5, ge=0, le=1, description="1 samples languages by their size, 0 all alike"
    )
    loop: LoopConfig = Field(
        LoopConfig(max_minutes=60), description="how long and how it is trained"
    )

    def identity(self) -> dict[str, Any]:
        """Return the options that decide the result; a budget does, checkpoints do not."""
        return self.model_dump(mode="json", exclude={"loop": NEUTRAL_OPTIONS})

    def fingerprint(self, corpus: TrainingText, *further: Any) -> str:
        """Of all that decides the weights after so many steps; files count by their content.

        Args:
            corpus: What was read.
            further: What else decides them, as JSON would have it: the seed, other text.
        """
        settings = self.model_dump(
            mode="json",
            exclude={
                "corpus": True,
                "gazetteer": True,
                "places": True,
                "start_from": True,
                "loop": {*NEUTRAL_OPTIONS, *_BUDGET},
            },
        )
        start = {} if self.start_from is None else _digests(self.start_from)
        text = json.dumps([settings, start, corpus.digest(), *further], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _digests(folder: Path) -> dict[str, str]:
    """Of the files of a model folder; its card is none of what decides the weights."""
    return {
        path.name: hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix != ".md"
    }


def check_length(max_subwords: int, needed: int, max_positions: int) -> None:
    """Check that rows fit into the model.

    Raises:
        ValueError: If they do not.
    """
    if needed > max_positions:
        raise ValueError(
            f"max_subwords {max_subwords} needs shape.max_positions of {needed} or more, "
            f"not {max_positions}"
        )
