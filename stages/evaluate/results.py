"""What ``evaluate`` finds, as typed records: the content of ``scores.json``.

Scores are fractions in [0, 1]; ``type`` is ``None`` for all types together (micro average) and
``lang`` is ``None`` for the mean over the languages (each language counts the same).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from pipeline.errors import DataError
from pipeline.languages import english_name
from stages.arms import ARMS
from stages.inspect.statistics import ProjectionStatistics

PROJECTION: Final = "projection"
"""The name under which projected labels that have gold ones to be scored against are listed."""

CATEGORIES: Final = ("missed", "spurious", "wrong_type", "wrong_boundary", "wrong_both")
Category = Literal["missed", "spurious", "wrong_type", "wrong_boundary", "wrong_both"]
"""What can be wrong. ``wrong_both``: overlaps an entity, but both type and boundary are wrong."""


class Record(BaseModel):
    """Base: immutable, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Score(Record):
    """Precision, recall and F1 of one arm, seed, language and type (seqeval, strict IOB2)."""

    arm: str
    lang: str
    seed: int | None
    type: str | None
    precision: float
    recall: float
    f1: float
    tp: int
    predicted: int
    gold: int


class Summary(Record):
    """The mean of :class:`Score` over the seeds of an arm.

    Attributes:
        f1_std: Sample standard deviation over the seeds; ``None`` with a single one.
        f1_low: Lower end of the bootstrap interval, over sentences, of the mean F1.
        f1_high: Upper end of it.
    """

    arm: str
    lang: str | None
    type: str | None
    seeds: list[int | None]
    precision: float
    precision_std: float | None
    recall: float
    recall_std: float | None
    f1: float
    f1_std: float | None
    f1_low: float
    f1_high: float
    gold: int


class Measured(Record):
    """A further metric of one arm: the mean over its seeds.

    Attributes:
        metric: Its name; one that is there with several options is numbered.
        lang: The language; ``None`` for the mean over the target languages.
        std: Sample standard deviation over the seeds; ``None`` with a single one.
        low: Lower end of the bootstrap interval over sentences.
        high: Upper end of it.
    """

    metric: str
    arm: str
    lang: str | None
    seeds: list[int | None]
    value: float
    std: float | None
    low: float
    high: float


class Comparison(Record):
    """Two arms compared: mean F1 of ``first`` minus that of ``second`` on the same seeds.

    Attributes:
        difference_std: Deviation of the difference over the seeds; ``None`` of a single seed.
        low: Interval: over sentences and, with several seeds, over trainings
            (:func:`stages.evaluate.resampling.doubt`).
        p: Two-sided: of approximate randomisation over sentences, or that of a t-test with the
            variance between seeds in it where that is larger.
        p_adjusted: The same after Holm's correction for all comparisons of the run.
        verdict: ``better``/``worse`` where ``p_adjusted`` is below alpha, else ``same``.
    """

    first: str
    second: str
    lang: str | None
    seeds: list[int | None]
    difference: float
    difference_std: float | None = None
    low: float
    high: float
    p: float
    p_adjusted: float
    verdict: Literal["better", "worse", "same"]


class CalibrationBin(Record):
    """Found entities whose scores are alike, seeds taken together: count, mean score, right."""

    count: int
    score: float
    right: float


class Calibration(Record):
    """Whether the scores of an arm's entities are the share of them that is right.

    Attributes:
        ece: Expected calibration error: the mean gap between score and share, by count.
        bins: Ten of equal width over the scores.
    """

    arm: str
    lang: str
    ece: float
    bins: list[CalibrationBin]


class ErrorCount(Record):
    """How often one kind of error was made. ``type`` is the gold type (spurious: predicted)."""

    arm: str
    lang: str
    seed: int | None
    type: str
    category: Category
    count: int


class Confusion(Record):
    """Entities of type ``gold`` that were labelled ``predicted``, boundaries right or not."""

    arm: str
    lang: str
    seed: int | None
    gold: str
    predicted: str
    count: int


class Familiarity(Record):
    """Recall on entity strings that the source training data holds (``seen``) or lacks."""

    arm: str
    lang: str
    seed: int | None
    seen: bool
    tp: int
    gold: int


class ProjectionBlame(Record):
    """Where gold target entities were lost on the way through projection."""

    lang: str
    stage: str
    reason: str
    count: int


class TestSet(Record):
    """What was scored on."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    lang: str
    key: str
    sentences: int
    words: int
    entities: dict[str, int]

    @property
    def nothing_to_score(self) -> str | None:
        """Say so where no sentence has a gold entity: precision, recall and F1 do not exist."""
        if self.entities:
            return None
        where = "source test set" if self.key == "source_test" else "test set"
        return (
            f"the {english_name(self.lang)} {where} has no labelled entity in its "
            f"{self.sentences:,} sentences, so there is nothing to score: no F1"
        )


class SweepPoint(Record):
    """One arm of a sweep, or what the sweep is compared with, on one set.

    Attributes:
        arm: The arm.
        values: The values of the swept options; none for what the sweep is compared with.
        key: ``test``, or ``dev``: the source-language dev data, on which arms are chosen.
        lang: The language; ``None`` for the mean over the target languages, and for ``dev``.
        seeds: Number of seeds.
        f1_low: Lower end of the bootstrap interval over sentences.
        f1_high: Upper end of it.
        difference: Mean F1 minus that of what the sweep is compared with, on the shared seeds.
        difference_std: Its deviation over the seeds.
    """

    arm: str
    values: list[Any]
    key: Literal["dev", "test"]
    lang: str | None
    seeds: int
    f1: float
    f1_std: float | None
    f1_low: float | None = None
    f1_high: float | None = None
    difference: float | None
    difference_std: float | None


class SweepResult(Record):
    """A sweep: the same arm with other values of some options.

    Attributes:
        name: Its name.
        keys: The dotted keys of the options.
        against: The arm that the others are compared with.
        chosen: The arm that is best on source dev: the only one that test data may judge.
        points: The scores.
    """

    name: str
    keys: list[str]
    against: str | None
    chosen: str | None
    points: list[SweepPoint]


class FewShotPoint(Record):
    """F1 with so many gold sentences of the target language; bootstrap interval."""

    sentences: int
    f1: float
    f1_low: float
    f1_high: float


class FewShot(Record):
    """F1 over the number of gold target sentences, without and with projected data.

    Attributes:
        worth: As many gold sentences are what the projected data alone comes up to; ``None`` where
            the curve does not tell.
        told: The same in words.
    """

    lang: str | None
    plain: list[FewShotPoint]
    projected: list[FewShotPoint]
    worth: float | None
    told: str


class Results(Record):
    """The whole comparison of a run.

    Attributes:
        about: What each arm is, in a line.
        sweeps: The curves.
        measured: Metrics beside strict F1.
        few_shot: What projected data is worth in gold sentences.
        calibration: How far scores are to be trusted, by arm and language.
        informed: The arms that have seen labels of the target language, or may have: they do not
            compete.
        outside: Those among them that are taggers from elsewhere, or were taught by one: what these
            have seen is not known.
    """

    run: str
    source: str
    languages: list[str]
    arms: list[str]
    seeds: list[int]
    types: list[str]
    confidence: float
    alpha: float
    resamples: int
    rounds: int
    sets: list[TestSet]
    scores: list[Score]
    summary: list[Summary]
    comparisons: list[Comparison]
    errors: list[ErrorCount]
    confusions: list[Confusion]
    familiarity: list[Familiarity]
    projection: list[ProjectionStatistics]
    blame: list[ProjectionBlame]
    about: dict[str, str] = {arm: recipe.about for arm, recipe in ARMS.items()}
    sweeps: list[SweepResult] = []
    measured: list[Measured] = []
    calibration: list[Calibration] = []
    few_shot: list[FewShot] = []
    informed: list[str] = [arm for arm, recipe in ARMS.items() if not recipe.zero_resource]
    outside: list[str] = []

    def of(self, arm: str, lang: str | None, type_: str | None = None) -> Summary | None:
        """Return the summary of one arm, language and type, if it was scored."""
        for item in self.summary:
            if (item.arm, item.lang, item.type) == (arm, lang, type_):
                return item
        return None

    @property
    def several_seeds(self) -> bool:
        """Whether some comparison is of several seeds, so that it counts trainings as well."""
        return any(c.difference_std is not None for c in self.comparisons)

    def unscored(self) -> list[str]:
        """Return a sentence for every test set that has nothing to score."""
        return [told for s in self.sets if (told := s.nothing_to_score) is not None]

    def scored_arms(self) -> list[str]:
        """Return the arms that have scores, in the order of the configuration."""
        return unique(s.arm for s in self.summary)

    def scored_languages(self) -> list[str]:
        """Return the languages that were scored, target languages first, then the source."""
        found = unique(s.lang for s in self.summary if s.lang)
        return sorted(found, key=lambda lang: lang == self.source)


def unique(items: Iterable[str]) -> list[str]:
    """Return the distinct items in order of first appearance."""
    return list(dict.fromkeys(items))


def load_results(path: Path) -> Results:
    """Read ``scores.json``, given as that file, the folder that holds it, or a run's folder.

    Raises:
        DataError: If there is none, or it is not what ``evaluate`` writes.
    """
    candidates = [path, path / "scores.json", path / "evaluate" / "all" / "scores.json"]
    found = next((c for c in candidates if c.is_file()), None)
    if found is None:
        raise DataError(f"{path}: no scores.json here; the stage evaluate writes it")
    try:
        return Results.model_validate_json(found.read_bytes())
    except ValueError as error:
        raise DataError(f"{found}: not the results of the stage evaluate: {error}") from error
