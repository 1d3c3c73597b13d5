"""The rounds of self-training of one student."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import Artifact
from pipeline.disk import made_once, write_atomic
from pipeline.errors import DataError
from pipeline.hashes import derive_seed, fingerprint
from pipeline.inputs import Inputs
from pipeline.manifest import MANIFEST, library_versions
from pipeline.stage import Context
from pipeline.task import Advance
from stages.experiment import experiment
from stages.self_train.config import SelfTrainConfig
from stages.self_train.crop import Crop
from stages.self_train.pseudo import (
    projected_with_teachers,
    pseudo_examples,
    score_thresholds,
    teach,
)
from stages.self_train.teachers import DistributionStore, Teachers
from stages.tagger.labels import LabelSet
from stages.train.config import TrainConfig
from stages.train.data import TrainingSentence, repeat_examples
from stages.train.recipe import (
    encoder_of,
    head_fields,
    projected_examples,
    read_dev,
    read_examples,
    train_options,
)
from stages.train.run import provenance
from stages.train.trainer import TrainingResult
from stages.train.training import HISTORY, train_tagger


@dataclass(frozen=True, slots=True)
class Round:
    """One round.

    Attributes:
        number: From 1.
        folder: The student.
        result: Its training.
        counts: What it was trained on.
        drops: Sentences left out, by reason.
    """

    number: int
    folder: Path
    result: TrainingResult
    counts: dict[str, int]
    drops: dict[str, int]


class _Asked(NamedTuple):
    """Text that teachers label."""

    kind: str
    lang: str

    @property
    def name(self) -> str:
        return f"{self.kind}/{self.lang}"


class SelfTraining:
    """Trains a student on what teachers make of unlabelled text, round after round.

    Args:
        inputs: Those of the task: ``train``, ``projected/<lang>``, ``synthetic/<lang>`` as there
            are, and what students are chosen on.
        context: The task, its configuration and its scratch folder.
        crop: What labels the text of each language by way of its translation; without it the
            teachers label the text itself.
    """

    def __init__(
        self, inputs: Inputs[Artifact], context: Context, crop: Mapping[str, Crop]
    ) -> None:
        config, task = context.config, context.task
        self._context = context
        self._options = config.section("self_train", SelfTrainConfig)
        self._train = student_options(self._options, train_options(config))
        self._inputs = inputs.only("train", "projected", "gold", "synthetic")
        self._dev = read_dev(self._train, inputs)
        self._encoder = encoder_of(config, inputs)
        self._head = head_fields(self._train, experiment(config).recipes[task.options["arm"]].fused)
        self._seed = int(task.options["seed"])
        self._provenance = provenance(config, task, inputs)
        self._crop = crop
        self._stores: dict[str, DistributionStore] = {}  # of the round that is under way
        self._softening: dict[str, float] = {}

    def run(self, teachers: Mapping[str, Sequence[Path]]) -> list[Round]:
        """Do the rounds; the last one may be worse than the one before.

        Args:
            teachers: Folders of the first round's teachers, by language.

        Raises:
            DataError: If no sentence is left to learn from.
        """
        done: list[Round] = []
        for number in range(1, self._options.rounds + 1):
            done.append(self._round(number, teachers))
            if len(done) > 1 and not self._gained(done[-2], done[-1]):
                break
            teachers = {lang: [done[-1].folder] for lang in teachers}
        return done

    def _gained(self, before: Round, after: Round) -> bool:
        if before.result.best_f1 is None or after.result.best_f1 is None:
            return True  # nothing to compare by: all rounds are done
        return after.result.best_f1 > before.result.best_f1 + self._options.min_gain

    def _round(self, number: int, teachers: Mapping[str, Sequence[Path]]) -> Round:
        work = self._context.work_dir / f"round-{number}"
        student = work / "student"
        summary = work / "round.json"
        if summary.exists():
            kept = json.loads(summary.read_text(encoding="utf-8"))
            told = json.loads((student / HISTORY).read_text(encoding="utf-8"))
            result = TrainingResult(**told)
            return Round(number, student, result, kept["counts"], kept["drops"])
        label_set = self._label(teachers, work)
        counts, drops = Counter[str](), Counter[str]()
        first = next(iter(teachers.values()))[0]
        result = train_tagger(
            self._train,
            self._examples(work, label_set, counts, drops),
            self._dev,
            student,
            work / "train",
            encoder=first if self._options.initialise == "teacher" else self._encoder,
            labels=label_set.names,
            seed=self._seed,
            head=self._head,
            temperature=self._options.temperature if self._options.labels == "soft" else 1.0,
            provenance=self._provenance,
            progress=self._context.progress,
            title=f"self_train {self._context.task.unit} round {number}",
        )
        write_atomic(summary, json.dumps({"counts": counts, "drops": drops}).encode())
        return Round(number, student, result, counts, drops)

    # -- labelling --------------------------------------------------------------------------

    def _label(self, teachers: Mapping[str, Sequence[Path]], work: Path) -> LabelSet:
        """Store the teachers' distributions of everything they have a say in."""
        loaded: dict[tuple[Path, ...], Teachers] = {}
        label_set: LabelSet | None = None
        for asked in self._asked():
            name, lang = asked.name, asked.lang
            folders = tuple(teachers[lang])
            if folders not in loaded:
                loaded = {folders: Teachers.load(folders)}  # one language's teachers at a time
            teacher = loaded[folders]
            if label_set is not None and label_set.names != teacher.label_set.names:
                raise DataError(
                    "the teachers of the languages have different labels; set labels.types"
                )
            label_set = teacher.label_set
            # A translation is labelled in the language that the temperature was fitted on.
            self._softening[name] = 1.0 if self._by_crop(asked) else teacher.softening
            known = self._known_as(folders, asked)
            store = self._stores[name] = DistributionStore(
                _store_path(work, name) if known is None else self._context.shared_dir / known
            )
            with made_once(store.path) as missing:
                if missing:
                    self._fill(store, teacher, asked, work)
        if label_set is None:
            raise DataError("self_train: there is no text for the teachers to label")
        return label_set

    def _known_as(self, folders: Sequence[Path], asked: _Asked) -> str | None:
        """Return a name for what teachers say of a text, where other students may ask it too.

        That is so in the first round, whose teachers are outputs of the run; by what decides on it.
        """
        if self._by_crop(asked) or not all((f / MANIFEST).is_file() for f in folders):
            return None
        limit = self._options.max_sentences if asked.kind == "synthetic" else None
        decides = {
            "teachers": [Artifact(f).hashes for f in folders],
            "text": self._inputs[asked.name].hashes,
            "limit": limit,
            "versions": library_versions(),
        }
        return f"teachers/{fingerprint(decides)}.npy"

    def _fill(self, store: DistributionStore, teacher: Teachers, asked: _Asked, work: Path) -> None:
        """Store what teachers say of one text."""
        name = asked.name
        total = sum(1 for _ in self._sentences(name))
        with self._context.progress.task(f"pseudo-label {name}", total=total) as bar:
            found: Iterator[NDArray[np.float32]]
            if self._by_crop(asked):
                found = self._by_translation(teacher, asked, work, bar.advance)
            else:
                words = (words for _, words in self._sentences(name))
                found = teacher.distributions(words, bar.advance)
            store.fill(found, len(teacher.label_set))

    def _by_translation(
        self, teachers: Teachers, asked: _Asked, work: Path, advance: Advance
    ) -> Iterator[NDArray[np.float32]]:
        """Yield distributions made by CROP's recipe; keep the reasons of those of no use."""
        reasons: dict[str, str] = {}
        name, lang = asked.name, asked.lang
        translated = ((r["source_id"], r["words"]) for r in self._rows(name))
        labelled = self._crop[lang].label(teachers, translated, work / "crop" / lang, advance)
        for (row_id, _), (probs, reason) in zip(self._sentences(name), labelled, strict=True):
            if reason is not None:
                reasons[row_id] = reason
            yield probs
        write_atomic(_reasons_path(work, name), json.dumps(reasons).encode())

    def _by_crop(self, asked: _Asked) -> bool:
        """Return whether a text is labelled by way of its translation."""
        return asked.kind == "synthetic" and asked.lang in self._crop

    def _asked(self) -> list[_Asked]:
        """Return what the teachers have a say in, in the order of the inputs."""
        options = self._options
        about_projected = options.disagreement != "ignore" or options.teacher_share > 0
        kinds = ("synthetic", "projected") if about_projected else ("synthetic",)
        mine = {
            f"{kind}/{lang}": _Asked(kind, lang)
            for kind in kinds
            for lang in self._inputs.by_lang(kind)
        }
        return [mine[name] for name in self._inputs if name in mine]

    def _sentences(self, name: str) -> Iterator[tuple[str, Sequence[str]]]:
        """Stream ids and words of the sentences of an input that are used."""
        return ((r["id"], r["words"]) for r in self._rows(name))

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        kept = (r for r in self._inputs[name].rows() if r["kept"] and r["words"])
        synthetic = name in self._inputs.only("synthetic")
        limit = self._options.max_sentences if synthetic else None
        return islice(kept, limit)

    def _taught(self, work: Path, name: str, label_set: LabelSet) -> Iterator[TrainingSentence]:
        lengths = (len(words) for _, words in self._sentences(name))
        stored = self._stores[name].read(lengths)
        return teach(self._sentences(name), stored, label_set, self._softening[name])

    # -- the student's data -----------------------------------------------------------------

    def _examples(
        self, work: Path, label_set: LabelSet, counts: Counter[str], drops: Counter[str]
    ) -> Iterator[TrainingSentence]:
        def drop(reason: str) -> None:
            drops[reason] += 1

        asked = self._asked()
        names = {x.name for x in asked}
        untouched = Inputs({n: a for n, a in self._inputs.items() if n not in names})
        ignored = self._context.config.labels.ignore
        yield from read_examples(self._train, untouched, self._seed, counts, ignored)
        for name, kind in ((x.name, x.kind) for x in asked):
            if kind == "projected":
                examples = projected_with_teachers(
                    projected_examples(self._inputs[name].rows, self._train, ignored),
                    self._taught(work, name, label_set),
                    self._options,
                    label_set,
                    counts,
                    drop,
                )
                times = self._train.projected_repeat
                examples = repeat_examples(examples, times, derive_seed(self._seed, name))
            else:
                thresholds = score_thresholds(
                    self._taught(work, name, label_set), self._options, label_set.types
                )
                examples = pseudo_examples(
                    self._taught(work, name, label_set),
                    self._options,
                    thresholds,
                    derive_seed(self._seed, name),
                    counts,
                    drop,
                    _reasons(work, name),
                    self._softening[name],
                )
            for example in examples:
                counts[f"sentences/{name}"] += 1
                yield example


def best_round(rounds: Sequence[Round]) -> Round:
    """Return the round with the highest selection F1 (the first of equals), else the last."""
    if any(r.result.best_f1 is None for r in rounds):
        return rounds[-1]
    return max(rounds, key=lambda r: (r.result.best_f1 or 0.0, -r.number))


def student_options(options: SelfTrainConfig, train: TrainConfig) -> TrainConfig:
    """Return the section ``train`` with the overrides of ``self_train``."""
    changes = {
        key: value
        for key in ("max_steps", "epochs", "learning_rate")
        if (value := getattr(options, key)) is not None
    }
    if "epochs" in changes and "max_steps" not in changes:
        changes["max_steps"] = None
    return train.model_copy(update=changes)


def _store_path(work: Path, name: str) -> Path:
    return work / "distributions" / f"{name.replace('/', '-')}.npy"


def _reasons_path(work: Path, name: str) -> Path:
    return _store_path(work, name).with_suffix(".reasons.json")


def _reasons(work: Path, name: str) -> dict[str, str]:
    """Return why the teachers could not label sentences, by id."""
    noted = _reasons_path(work, name)
    found: dict[str, str] = json.loads(noted.read_text(encoding="utf-8")) if noted.exists() else {}
    return found
