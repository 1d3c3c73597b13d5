"""Options of the report."""

from __future__ import annotations

from pydantic import Field

from pipeline.config import StageConfig


class ReportConfig(StageConfig):
    """What the report shows."""

    html: bool = Field(True, description="write report.html beside the tables")
    max_sentences: int = Field(
        50_000,
        ge=1,
        description="projected sentences per language in report.html; it says where there are more",
    )
    max_errors: int = Field(
        2000, ge=0, description="single errors per arm and language in report.html (first seed)"
    )
