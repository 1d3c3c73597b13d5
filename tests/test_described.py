"""Every key of a config has a description, for editors and the JSON schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from pipeline.config import ConfigModel
from stages.registry import STAGES
from xlner.kinds import REGISTRIES, registry


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from models(inner)


def undescribed(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        if not field.description:
            yield f"{model.__module__}.{model.__name__}.{name}"
        for inner in models(field.annotation):
            yield from undescribed(inner, seen)


def test_every_key_is_described() -> None:
    seen: set[type[BaseModel]] = set()
    found = list(undescribed(STAGES.config_type(), seen))
    for sort in REGISTRIES:
        for kind in registry(sort).values():
            options = getattr(kind, "Options", None)
            if options is not None:
                found += undescribed(options, seen)
    assert found == []
    assert len(seen) > 30 and all(issubclass(m, ConfigModel) for m in seen)


def test_the_next_one_without_is_found() -> None:
    class Options(ConfigModel):
        layer: int = 3

    assert list(undescribed(Options, set())) == [f"{__name__}.Options.layer"]
