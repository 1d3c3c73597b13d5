"""Kinds of another package: what one file per kind comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from pipeline.config import ConfigModel, RunConfig, StageConfig
from pipeline.formats import Format, ReadReport, Sample
from pipeline.formats.report import RawSentence
from pipeline.inputs import Inputs
from pipeline.models import ModelSource
from pipeline.schema import Link
from pipeline.stage import Context, Output, Ref, RunStage, Task
from pipeline.task import no_advance
from stages.align.kinds.base import AlignerKind
from stages.align.setting import Setting
from stages.evaluate.metrics.base import Metric
from stages.external.kinds.base import Opened, TaggerKind
from stages.external.spans import FoundSpan, SpanTagger
from stages.project.filters.base import SpanFilter
from stages.project.methods.base import ProjectionMethod, ProjectionSetting
from stages.synthesize.makers.base import Made, Maker, MakerKind, MakerSetting
from stages.train.fusions.base import FusionKind, LayerOptions
from stages.translate.base import BaseTranslator, Hypothesis
from stages.translate.kinds.base import TranslatorKind
from stages.word_alignment.aligner import Aligner


class DiagonalOptions(ConfigModel):
    """Options of ``diagonal``."""

    shift: int = Field(0, ge=0, description="words that the target begins with")


class DiagonalAligner(Aligner):
    """Links the n-th word with the n-th."""

    name = "diagonal"

    def __init__(self, shift: int) -> None:
        self.shift = shift

    def _align(self, pairs: Any, advance: Any = no_advance) -> list[list[Link]]:
        """Align sentence pairs."""
        advance(len(pairs))
        return [
            [Link(i, i + self.shift, 1.0) for i in range(min(len(a), len(b) - self.shift))]
            for a, b in pairs
        ]


class Diagonal(AlignerKind[DiagonalOptions]):
    """An aligner."""

    about: ClassVar[str] = "links the n-th word with the n-th"

    def load(self, setting: Setting, model: Path | None, learnt: Path) -> Aligner:
        """Build it."""
        return DiagonalAligner(self.options.shift)


class LouderOptions(ConfigModel):
    """Options of ``louder``."""

    marks: int = Field(1, ge=1, description="exclamation marks at the end")


class LouderTranslator(BaseTranslator):
    """Writes in capitals."""

    def __init__(self, marks: int) -> None:
        self.marks = marks

    def stream(self, texts: Any, seed: int = 0) -> Iterator[tuple[int, list[Hypothesis]]]:
        """Yield each text in capitals."""
        for index, text in enumerate(texts):
            yield index, [Hypothesis(text.upper() + " " + "!" * self.marks)]


class Louder(TranslatorKind[LouderOptions]):
    """A translator."""

    about: ClassVar[str] = "what was said, but louder"

    def problem(self, model: ModelSource, source: str, target: str) -> str | None:
        """It can always."""
        return None

    def load(
        self, model: Path, source: str, target: str, *, name: str, workers: int = 1
    ) -> BaseTranslator:
        """Build it."""
        return LouderTranslator(self.options.marks)


class SameWordsOptions(ConfigModel):
    """Options of ``same_words``."""

    score: float = Field(0.9, ge=0, le=1, description="what every span scores")


class SameWords(ProjectionMethod[SameWordsOptions]):
    """A projection method."""

    about: ClassVar[str] = "entities whose words stand in the target sentence as they are"

    def build(self, setting: ProjectionSetting) -> Any:
        """Build the projector."""
        return _SameWords(self.options.score)


class _SameWords:
    name: ClassVar[str] = "same_words"

    def __init__(self, score: float) -> None:
        self.score = score

    def project(self, batch: Any) -> Any:
        import numpy as np

        from stages.project.projector import settle

        found = []
        source, target = batch.source.codes.tolist(), batch.target.codes.tolist()
        for e in range(batch.n_entities):
            words = source[int(batch.entity_start[e]) : int(batch.entity_end[e])]
            row = int(batch.entity_row[e])
            first = int(batch.target.offsets[row])
            last = first + int(batch.target.lengths[row]) - len(words)
            for at in range(first, last + 1):
                if target[at : at + len(words)] == words:
                    found.append((e, at, at + len(words)))
                    break
        columns = np.array(found, np.int64).reshape(-1, 3).T
        score = np.full(len(found), self.score)
        return settle(batch, *columns, score, self.name)


class ReversedOptions(ConfigModel):
    """Options of ``reversed``."""

    times: int = Field(1, ge=1, description="how often each sentence is turned round")


class _Reversed(Maker):
    name = "reversed"

    def __init__(self, times: int) -> None:
        self.times = times

    def make(self, request: Any, chunk: int, advance: Any = no_advance) -> list[Made]:
        """Make one chunk."""
        step = -1 if self.times % 2 else 1
        sentences = [s for s in request.projected if s.words]
        asked = [sentences[i % len(sentences)] for i in range(self.size(request, chunk))]
        advance(len(asked))
        return [Made(s.words[::step], s.id) for s in asked]


class Reversed(MakerKind[ReversedOptions]):
    """A maker."""

    about: ClassVar[str] = "projected sentences, turned round"

    def build(self, setting: MakerSetting) -> Maker:
        """Build it."""
        return _Reversed(self.options.times)


class WeightedOptions(LayerOptions):
    """Options of ``weighted``."""

    share: float = Field(0.5, ge=0, le=1, description="weight of the last layer")


class Weighted(FusionKind[WeightedOptions]):
    """A layer fusion."""

    about: ClassVar[str] = "a fixed weighted mean of the last layer and a lower one"

    @classmethod
    def module(cls, width: int, depth: int, options: Mapping[str, Any]) -> Any:
        """Build the torch module."""
        from torch import nn

        from stages.tagger.layers import resolve_fusion_layer

        layer, share = resolve_fusion_layer(options["fusion_layer"], depth), options["share"]

        class Module(nn.Module):
            needs_layers = True
            lower = (layer,)

            def reset_module(self, module: Any, std: float) -> None:
                """Nothing is learnt."""

            def forward(self, layers: Any, mask: Any) -> Any:
                return share * layers[-1] + (1 - share) * layers[layer]

        return Module()


class LongNamesOptions(ConfigModel):
    """Options of ``long_names``."""

    max_words: int | None = Field(None, ge=1, description="drop spans of more words")


class LongNames(SpanFilter[LongNamesOptions]):
    """A filter."""

    about: ClassVar[str] = "drops spans of many words"
    reason: ClassVar[str] = "long_name"
    says: ClassVar[str] = "the name is long"

    def objects(self, row: Any, span: Any, source: Any) -> bool:
        """Return whether the span has more words."""
        return span["end"] - span["start"] > (self.options.max_words or 0)


class SentencesRightOptions(ConfigModel):
    """Options of ``sentences_right``."""

    least: int = Field(0, ge=0, description="sentences with fewer gold entities are left out")


class SentencesRight(Metric[SentencesRightOptions]):
    """A metric."""

    about: ClassVar[str] = "share of sentences whose entities are all right"
    size: ClassVar[int] = 2

    def count(self, gold: Any, predicted: Any) -> tuple[float, ...]:
        """Count right sentences, and all."""
        if len(gold) < self.options.least:
            return (0, 0)
        return (gold == predicted, 1)

    def value(self, totals: Any) -> Any:
        """Return their ratio."""
        return totals[..., 0] / totals[..., 1].clip(1)


class Shouted(Format):
    """A format."""

    about: ClassVar[str] = "words in capitals are names"
    suffixes: ClassVar[frozenset[str]] = frozenset({".shout"})

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether its name says so."""
        return sample.suffix in cls.suffixes

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one sentence per line."""
        for number, line in enumerate(self.request.file.read_text().splitlines(), 1):
            words = line.split()
            tags = ["B-NAME" if w.isupper() else "O" for w in words]
            yield RawSentence(words=words, tags=tags, line=number)


class CapitalsOptions(ConfigModel):
    """Options of ``capitals``."""

    label: str = Field("NAME", description="what words in capitals are")


class Capitals(TaggerKind[CapitalsOptions]):
    """A tagger from elsewhere."""

    about: ClassVar[str] = "takes words in capitals for names"

    def identity(self, model: str, config_dir: Path | None) -> Path | str:
        """Return what decides the result."""
        return "capitals"

    def open(self, model: str, config_dir: Any, lang: str, types: Any, **how: Any) -> Opened:
        """Load it."""
        return SpanTagger(partial(find_capitals, self.options.label), [self.options.label], lang)


def find_capitals(label: str, texts: Any) -> list[list[FoundSpan]]:
    """Return the words in capitals."""
    return [
        [
            FoundSpan(text.index(word), text.index(word) + len(word), label)
            for word in text.split()
            if word.isupper()
        ]
        for text in texts
    ]


class TallyConfig(StageConfig):
    """Options of ``tally``."""

    least: int = Field(1, ge=1, description="shortest sentence that counts")


class Tally(RunStage):
    """A stage of another package: counts the source sentences."""

    name = "tally"
    version = "1"
    config_type = TallyConfig
    about = "count sentences"
    standalone = True

    def tasks(self, config: RunConfig) -> list[Task]:
        """Return the one task."""
        return [
            Task(self.name, "all", "files", {"train": Ref("prepare", f"train/{config.source}")})
        ]

    def run(self, inputs: Inputs, out: Output, context: Context) -> None:
        """Count."""
        least = self.options(context.config).least
        rows = inputs.one("train").rows()
        total = sum(len(row["words"]) >= least for row in rows)
        (out.folder / "total.txt").write_text(str(total))


TALLY = Tally()
