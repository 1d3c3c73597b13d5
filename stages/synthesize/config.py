"""The options of the stage ``synthesize``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails

from pipeline.config import ConfigModel, StageConfig
from pipeline.errors import suggest
from pipeline.kinded import JoinedConfig, collected, of_another_kind, unknown_key
from stages.synthesize.makers import MAKERS

if TYPE_CHECKING:
    from stages.synthesize.makers.base import MakerKind


class GateConfig(ConfigModel):
    """The quality gate. Every measure can be switched off with ``null``."""

    min_words: int = Field(3, ge=1, description="sentences of fewer words are dropped")
    max_words: int = Field(150, ge=1, description="sentences of more words are dropped")
    language: float | None = Field(
        0.5, ge=0, le=1, description="smallest probability of the target language (py3langid)"
    )
    language_min_chars: int = Field(
        50, ge=1, description="shorter texts are not judged: identification is a guess there"
    )
    length_ratio: float | None = Field(
        2.5, gt=1, description="largest deviation from the maker's median length ratio, as a factor"
    )
    repetition: float | None = Field(
        0.4, ge=0, le=1, description="largest share of repeated word pairs"
    )
    near_duplicate: float | None = Field(
        0.8, gt=0, le=1, description="smallest Jaccard similarity of near duplicates"
    )
    test_overlap: float = Field(
        0.7, gt=0, le=1, description="similarity to an evaluation sentence that counts as overlap"
    )
    round_trip: float | None = Field(
        None,
        gt=0,
        le=1,
        description="smallest similarity to what translating back gives (needs a translator for "
        "both directions; a third slower, see docs/synthetic.md)",
    )
    perplexity: float | None = Field(
        None, gt=1, description="largest pseudo-perplexity under infilling.model (slow)"
    )


class SynthesizeConfig(JoinedConfig, StageConfig):
    """Options of ``synthesize``.

    Each maker that ``weights`` names may have a section of its own, called like it.
    """

    sections: ClassVar[bool] = True

    sentences: int = Field(
        4000, ge=0, description="sentences per language to make (before the gate)"
    )
    weights: dict[str, float] = Field(
        default={"translation": 2.0, "substitution": 1.0},
        description="share of each maker in the sentences, relative to each other",
    )
    unlabelled: int | None = Field(
        None,
        ge=0,
        description="use at most so many real sentences of data.unlabelled beside the synthetic "
        "ones (pseudo-labels by CROP's recipe use all of them)",
    )
    gate: GateConfig = Field(GateConfig(), description="the quality gate")

    neutral: ClassVar[frozenset[str]] = frozenset()
    deciding: ClassVar[frozenset[str]] = frozenset({"gate"})

    @classmethod
    def read_kinds(
        cls, own: Mapping[str, Any], rest: Mapping[str, Any], wrong: list[InitErrorDetails]
    ) -> dict[str, ConfigModel]:
        """Return the options of the makers that count."""
        options: dict[str, ConfigModel] = {}
        used = cls._used(own)
        for name in [n for n in MAKERS if n in used]:
            with collected(wrong, name):
                options[name] = MAKERS[name].Options.model_validate(rest.get(name, {}))
        for name in [n for n in rest if n not in used or n not in MAKERS]:
            if name in MAKERS:
                says = f"weights names no maker {name!r}, so that this would do nothing"
                wrong.append(of_another_kind(name, rest[name], says))
            else:
                wrong.append(unknown_key(name, rest[name], {*cls.model_fields, *options}))
        return options

    @classmethod
    def options_with(cls, key: str) -> Iterator[Any]:
        """Yield the options of the maker whose section a key is."""
        if key in MAKERS:
            yield MAKERS[key].Options

    @classmethod
    def _used(cls, own: Mapping[str, Any]) -> set[str]:
        """Return the makers whose options count: those that make, and those the gate asks."""
        weights = own.get("weights", cls.model_fields["weights"].default)
        used = set(weights) if isinstance(weights, Mapping) else set()
        gate = own.get("gate") or {}
        for key, name in (("perplexity", "infilling"), ("round_trip", "translation")):
            asked = gate.get(key) if isinstance(gate, Mapping) else getattr(gate, key, None)
            if asked is not None:
                used.add(name)
        return used

    @field_validator("weights")
    @classmethod
    def _weights(cls, value: dict[str, float]) -> dict[str, float]:
        if any(w < 0 for w in value.values()):
            raise ValueError("weights cannot be negative")
        for name in value:
            if name not in MAKERS:
                raise ValueError(
                    f"no maker named {name!r}{suggest(name, MAKERS)}; allowed: {', '.join(MAKERS)}"
                )
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name in self.makers:
            problem = self.maker(name).incomplete()
            if problem:
                raise ValueError(problem)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the sections of the makers."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        for name, kind in MAKERS.items():
            schema["properties"][name] = handler(kind.Options.__pydantic_core_schema__)
        schema["properties"]["weights"]["propertyNames"] = {"enum": list(MAKERS)}
        return schema

    def given(self, changing: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was given, but for the sections of makers that have no weight any more."""
        found = super().given(changing)
        used = self._used(found | {k: v for k, v in changing.items() if k == "weights"})
        return {k: v for k, v in found.items() if k not in MAKERS or k in used}

    def maker(self, name: str) -> MakerKind[Any]:
        """Return a maker with its options."""
        kind = MAKERS[name]
        found: MakerKind[Any] = kind(self._options.get(name) or kind.Options())
        return found

    @property
    def makers(self) -> dict[str, int]:
        """Number of sentences that each maker is asked for, makers with none left out."""
        total = sum(self.weights.values())
        if not total:
            return {}
        counts = {name: round(self.sentences * w / total) for name, w in self.weights.items()}
        return {name: n for name, n in counts.items() if n}

    def identity(self) -> dict[str, object]:
        """Return the options that decide the result."""
        found = super().identity()
        for name, options in self._options.items():
            if isinstance(options, StageConfig):
                found[name] = options.identity()
        return found
