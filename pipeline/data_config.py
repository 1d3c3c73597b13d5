"""Which corpora a run has, and how each is read: the section ``data``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from pipeline.errors import ConfigError, suggest
from pipeline.format_table import FORMATS
from pipeline.languages import NO_LANGUAGE, canonical

_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"


def _spoken(code: str) -> str:
    found = canonical(code)
    if found in NO_LANGUAGE:
        raise ConfigError(f"{code!r} stands for {NO_LANGUAGE[found]}; name the language")
    return found


Language = Annotated[str, AfterValidator(_spoken)]
"""The code of a language, in whatever way it is given: see :mod:`pipeline.languages`."""


class ConfigModel(BaseModel):
    """Base of every part of a configuration: unknown keys are errors, values are immutable."""

    # JSON, of which fingerprints are made, has no infinity: it would be the same as null.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSource(ConfigModel):
    """Where one labelled or unlabelled corpus comes from: a local path or a hub data set.

    ``{lang}`` and ``{lang3}`` in ``path``, ``hub`` and ``hub_config`` stand for the ISO 639-1 (or,
    where there is none, 639-3) and the ISO 639-3 code of the language.
    """

    path: str | None = Field(None, description="file or folder; relative to data.root if set")
    hub: str | None = Field(None, description="data set id on the Hugging Face hub")
    hub_config: str | None = Field(None, description="configuration name of the hub data set")
    split: str | None = Field(None, description="split of a hub or save_to_disk data set")
    revision: str | None = Field(None, description="commit, tag or branch of the hub data set")
    format: str = Field("auto", description="one of pipeline.formats.FORMATS, or auto: recognised")
    scheme: Literal["auto", "iob1", "iob2", "bioes", "bilou", "io"] = Field(
        "auto", description="the tag scheme; auto: recognised by all tags of the file"
    )
    entity_type: str = Field(
        "ENTITY", description="what entities are called whose tags name no type (bare B, I, O)"
    )
    tag_column: int | str | None = Field(
        None,
        description="CoNLL: index (from 0, negative allowed) or name of the tag column, or a key "
        "of MISC in CoNLL-U; records (JSON, tables, Parquet …): the field of tags or spans",
    )
    word_column: int | str | None = Field(
        None, description="CoNLL: index or name of the words; records: name of their field"
    )
    columns: list[str] | None = Field(None, description="CoNLL: names of the columns, in order")
    label_names: list[str] | None = Field(
        None, description="names of integer tags, where the file does not hold them"
    )
    offsets: Literal["auto", "characters", "words", "utf-16", "utf-8", "graphemes"] = Field(
        "auto", description="what positions of spans count; auto: what all spans of the file fit"
    )
    span_end: Literal["auto", "exclusive", "inclusive"] = Field(
        "auto", description="whether the end of a span is its last position or the one after it"
    )
    documents: Literal["auto", "split", "keep"] = Field(
        "auto",
        description="records of several sentences: split them, or keep each as one; auto: split "
        "where most have several sentences, or one has more than 200 words or several lines",
    )
    encoding: str = Field("utf-8", description="the encoding of text files")
    limit: int | None = Field(None, ge=1, description="use only the first N sentences")

    @model_validator(mode="after")
    def _of_the_hub(self) -> Self:
        for key in ("hub_config", "revision"):
            if self.hub is None and getattr(self, key) is not None:
                raise ValueError(f"{key}: is for a data set of the hub; set hub, or remove {key}")
        if self.hub is not None and self.path is None and self.format not in ("auto", "hub"):
            raise ValueError("format: does nothing for a data set of the hub; remove it")
        return self

    @field_validator("format")
    @classmethod
    def _format(cls, value: str) -> str:
        if value != "auto":
            allowed = ["auto", *FORMATS]
            if value not in allowed:
                raise ValueError(
                    f"not a format{suggest(value, allowed)}; allowed: {', '.join(allowed)}"
                )
        return value


class TranslationSource(DataSource):
    """Translations of another corpus of the run, sentence by sentence."""

    incomplete: bool = Field(
        False,
        description="some sentences have no translation, and nothing says which: they are matched "
        "up, in their order, by the words that both sides share",
    )
    check_order: bool = Field(
        True,
        description="whether translations are refused that share their names and numbers with "
        "sentences one to three places away; false: taken as they stand, nothing is looked for",
    )

    @model_validator(mode="after")
    def _no_limit(self) -> Self:
        if self.limit is not None:
            raise ValueError(
                "limit: translations are as many as what they translate; limit that alone"
            )
        return self


class SystemSource(TranslationSource):
    """Translations of ``data.train``: gold text, or what a system made of it."""

    system: str | None = Field(
        None,
        pattern=_NAME,
        description="who translated, where it was a machine: its labels, if there are any, are no "
        "gold labels and are not read; project.systems chooses by it",
    )
    damage: float = Field(
        0.0,
        ge=0,
        le=1,
        description="for measuring: share of the sentences that are damaged, as by a weak "
        "translator (words lost, replaced, moved)",
    )

    @model_validator(mode="after")
    def _damaged_by_a_machine(self) -> Self:
        if self.damage and self.system is None:
            raise ValueError("damage: name the system (system: …), as gold labels would not fit")
        return self


def _distinct_languages(value: Any) -> Any:
    seen: dict[str, Any] = {}
    for given in value if isinstance(value, dict) else ():
        try:
            code = canonical(str(given))
        except ConfigError:
            continue  # which the keys themselves say
        if code in seen:
            raise ValueError(f"{seen[code]!r} and {given!r} are one language, {code!r}")
        seen[code] = given
    return value


_Source = TypeVar("_Source", bound=DataSource)
_Value = TypeVar("_Value")
_ByLanguage = Annotated[dict[Language, _Value], BeforeValidator(_distinct_languages)]


def _branch(value: Any) -> str:
    """Say which way of writing it a value is: one source, several, or one per language."""
    if isinstance(value, DataSource):
        return "DataSource"
    if isinstance(value, list):
        return "list[systems]"
    if isinstance(value, dict) and not value.keys() & DataSource.model_fields.keys():
        return "dict[languages]"
    return "DataSource"


def _source_branch(value: Any) -> str:
    """The same for the source languages: a mapping of mappings is one per language."""
    several = isinstance(value, dict) and all(
        isinstance(v, dict | DataSource) for v in value.values()
    )
    return "dict[languages]" if value and several else "DataSource"


PerLanguage = Annotated[
    Annotated[_Source, Tag("DataSource")] | Annotated[_ByLanguage[_Source], Tag("dict[languages]")],
    Discriminator(_branch),
]
"""One source with ``{lang}``, or one per language."""
PerSource = Annotated[
    Annotated[DataSource, Tag("DataSource")]
    | Annotated[_ByLanguage[DataSource], Tag("dict[languages]")],
    Discriminator(_source_branch),
]
"""One source, with ``{lang}`` where there are several source languages, or one per language."""
_Systems = Annotated[
    Annotated[SystemSource, Tag("DataSource")]
    | Annotated[list[SystemSource], Tag("list[systems]")],
    Discriminator(_branch),
]
Systems = Annotated[
    Annotated[SystemSource, Tag("DataSource")]
    | Annotated[list[SystemSource], Tag("list[systems]")]
    | Annotated[_ByLanguage[_Systems], Tag("dict[languages]")],
    Discriminator(_branch),
]
"""One translation of each sentence or several, for all languages or one by one."""

TRANSLATED: Final[Mapping[str, str]] = {
    "parallel": "train",
    "rivals": "train",
    "test_parallel": "test",
    "unlabelled_parallel": "unlabelled",
}
"""The keys of ``data`` that hold translations, with the key of what they translate."""


class DataConfig(ConfigModel):
    """The corpora of a run. Per-language entries are one source with ``{lang}``, or a mapping."""

    root: str | None = Field(
        None, description="folder that holds the local copies: sources with a path then use it"
    )
    train: PerSource | None = Field(
        None,
        description="labelled source-language text that taggers train on, and whose"
        " labels are projected",
    )
    dev: PerSource | None = Field(
        None,
        description="labelled source-language text that taggers are selected on, unless "
        "train.select is last or target_dev",
    )
    source_test: PerSource | None = Field(
        None, description="labelled source-language text that is scored beside the target languages"
    )
    test: PerLanguage[DataSource] | None = Field(
        None,
        description="labelled target-language text that is scored: one source with "
        "{lang}, or one per language",
    )
    target_dev: PerLanguage[DataSource] | None = Field(
        None,
        description="labelled target-language text to select on, where train.select is "
        "target_dev; the report then says that it is not zero-shot",
    )
    target_train: PerLanguage[DataSource] | None = Field(
        None,
        description="gold target training data, for the arms supervised, few_shot and "
        "few_shot_projected",
    )
    parallel: Systems | None = Field(
        None,
        description="target side of data.train, sentence by sentence: no translation; labelled or "
        "not, or a list of what several systems made of it: [{system: DeepL, path: …}, …]",
    )
    test_parallel: PerLanguage[TranslationSource] | None = Field(
        None,
        description="source-language translations of data.test, for translate_test: no translator",
    )
    unlabelled_parallel: PerLanguage[TranslationSource] | None = Field(
        None, description="source-language translations of data.unlabelled, for crop"
    )
    rivals: dict[Annotated[str, Field(pattern=_NAME)], PerLanguage[TranslationSource]] = Field(
        default_factory=dict,
        description="translations of data.train with labels that others have projected, by name; "
        "an arm trains on them: {theirs: {like: projected, rival: NAME}}",
    )
    unlabelled: PerLanguage[DataSource] | None = Field(
        None,
        description="real unlabelled text of the target languages, for crop, synthesize and adapt",
    )
    source_unlabelled: PerSource | None = Field(
        None, description="unlabelled source-language text, for synthesize"
    )

    @field_validator("rivals")
    @classmethod
    def _distinct_rivals(cls, value: dict[str, object]) -> object:
        _require_distinct(value, "rivals")
        return value

    @field_validator("parallel")
    @classmethod
    def _named(cls, value: object) -> object:
        for systems in value.values() if isinstance(value, dict) else [value]:
            if isinstance(systems, list):
                names = [s.system for s in systems]
                if not systems or None in names:
                    raise ValueError("in a list of translations each names its system: …")
                _require_distinct(names, "systems")
        return value

    @classmethod
    def about(cls, key: str) -> str:
        """Return what ``data.<key>`` is, and what for."""
        return str(cls.model_fields[key].description)

    def per_language(self, key: str, lang: str) -> DataSource | None:
        """Return the source that ``data.<key>`` names for ``lang``, or ``None``."""
        value = getattr(self, key)
        if isinstance(value, dict):
            value = value.get(lang)
        return value if isinstance(value, DataSource) else None

    def translations(self, key: str, lang: str) -> dict[str | None, TranslationSource]:
        """Return the translations that ``data.<key>`` has for a language, by name.

        The name is that of a system or rival, or ``None`` where there is only one without a name.
        """
        value = getattr(self, key)
        if key == "rivals":
            found = {n: s.get(lang) if isinstance(s, dict) else s for n, s in value.items()}
            return {name: source for name, source in found.items() if source is not None}
        if isinstance(value, dict):
            value = value.get(lang)
        sources = value if isinstance(value, list) else [] if value is None else [value]
        return {getattr(s, "system", None): s for s in sources}

    def gold_parallel(self, lang: str) -> bool:
        """Return whether ``data.parallel`` may hold gold labels: no machine has made it."""
        return None in self.translations("parallel", lang)


def _require_distinct(names: Iterable[str], what: str) -> None:
    """Refuse names that would be one folder on some disks."""
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise ValueError(f"{what}: {name!r} is there twice; call one otherwise")
        seen.add(name.casefold())
