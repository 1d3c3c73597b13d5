"""Several source languages (``source: [en, de]``): what there is of each, and under which name.

The first one has the names of a run with one source language (``train``, ``project/nl``); what is
made from a further one says so (``train/de``, ``project/from-de/nl``). Where all were projected on
to the same sentences (``data.parallel``), their votes are in ``project/votes/nl``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pipeline.config import RunConfig
from pipeline.errors import suggest
from pipeline.stage import Ref

VOTES: Final = "votes"
"""Folder of what several sources' projections agree on."""
_FROM: Final = "from-"


def named(kind: str, source: str, config: RunConfig) -> str:
    """Return the name of an input of a source language: ``train``, ``train/de``."""
    return kind if source == config.source else f"{kind}/{source}"


def unit_from(source: str, lang: str, config: RunConfig) -> str:
    """Return the unit of what is made from a source for a language: ``nl``, ``from-de/nl``."""
    return lang if source == config.source else f"{_FROM}{source}/{lang}"


def taken(folder: str) -> bool:
    """Return whether a folder of this name is one of ours, which no arm may have."""
    return folder == VOTES or folder.startswith(_FROM)


def train_refs(config: RunConfig, sources: Sequence[str] | None = None) -> dict[str, Ref]:
    """Return the gold training data of source languages, as inputs.

    Args:
        config: The run.
        sources: The languages; default: all that the run has.
    """
    chosen = config.sources if sources is None else sources
    return {named("train", s, config): Ref("prepare", f"train/{s}") for s in chosen}


def dev_sources(config: RunConfig) -> list[str]:
    """Return the source languages that have a dev set; the first where none has, which is told."""
    found = [s for s in config.sources if config.data.per_language("dev", s) is not None]
    return found or [config.source]


def translated_sources(config: RunConfig) -> list[str]:
    """Return the source languages whose training data is translated and projected."""
    given = getattr(getattr(config, "translate", None), "sources", None)
    return [s for s in config.sources if given is None or s in given]


def problems(config: RunConfig, settings: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Yield what is wrong with the source languages that options choose.

    It is told before tasks are planned, which would lack what such a language should give.

    Args:
        config: The run.
        settings: Where arms set options of their own, and these, by dotted key.
    """
    translated = getattr(getattr(config, "translate", None), "sources", None)
    chosen = [
        ("translate.sources", translated),
        ("train.sources", getattr(getattr(config, "train", None), "sources", None)),
        *((f"{key}.train.sources", own.get("train.sources")) for key, own in settings),
    ]
    for key, names in chosen:
        for name in names or ():
            if name not in config.sources:
                near = suggest(name, config.sources)
                has = ", ".join(config.sources)
                yield f"{key}: {name!r} is no source language{near}; they are: {has}"
    if translated is not None and config.source not in translated:
        yield (
            f"translate.sources: the first source language, {config.source!r}, has to be among "
            "them; order 'source' so that one that you translate from is the first"
        )


def votes(config: RunConfig, lang: str) -> bool:
    """Return whether several sources are projected on to the same sentences of a language."""
    return len(translated_sources(config)) > 1 and bool(config.data.translations("parallel", lang))


def projected_unit(config: RunConfig, lang: str) -> str:
    """Return the unit of ``project`` that has the labels of all sources, or those of the first."""
    return f"{VOTES}/{lang}" if votes(config, lang) else lang


def projected_units(
    config: RunConfig, lang: str, sources: Sequence[str] | None = None
) -> dict[str, str]:
    """Return the units of ``project`` to train on for a target language, by the input's name.

    Args:
        config: The run.
        lang: The target language.
        sources: The source languages; default: all that the run has.
    """
    known = translated_sources(config)
    chosen = known if sources is None else [s for s in known if s in sources]
    name = f"projected/{lang}"
    if votes(config, lang) and chosen == known:
        return {name: f"{VOTES}/{lang}"}
    return {named(name, s, config): unit_from(s, lang, config) for s in chosen}
