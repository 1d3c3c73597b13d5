"""Options of the stage prepare; where the data are is said under ``data``."""

from __future__ import annotations

from pydantic import Field

from pipeline.config import StageConfig


class PrepareConfig(StageConfig):
    """Options of the stage prepare."""

    tokenise: bool = Field(
        True,
        description="cut text (plain text, or JSONL with text) into words as the translations are; "
        "false: only at white space, for text that is tokenised already",
    )
