"""The table of formats: names alone, as configurations need them; see :mod:`pipeline.formats`."""

from __future__ import annotations

from typing import Any, Final

from pipeline.kinds import Kinds

FORMATS: Final[Kinds[Any]] = Kinds(
    "format",
    "xlner.formats",
    {
        "hub": "pipeline.formats.hub:Hub",
        "parquet": "pipeline.formats.parquet:Parquet",
        "brat": "pipeline.formats.brat:Brat",
        "spacy": "pipeline.formats.spacy_docbin:DocBinFile",
        "label-studio": "pipeline.formats.label_studio:LabelStudio",
        "prodigy": "pipeline.formats.prodigy:Prodigy",
        "doccano": "pipeline.formats.doccano:Doccano",
        "spacy-json": "pipeline.formats.spacy_json:SpacyJson",
        "table": "pipeline.formats.table:Table",
        "jsonl": "pipeline.formats.jsonl:JsonLines",
        "inline": "pipeline.formats.inline:Inline",
        "conll": "pipeline.formats.conll:Conll",
        "text": "pipeline.formats.text:PlainText",
    },
)
"""In the order in which a file is tried; those of other packages come before the last resorts."""
