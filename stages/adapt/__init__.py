"""Stage ``adapt``: the encoder, trained further on text of the target languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.inputs import Inputs
from pipeline.models import locate
from pipeline.stage import Context, Output, Problem, Ref, RunStage, Task
from stages.adapt.config import AdaptConfig
from stages.arms import touches
from stages.experiment import experiment
from stages.synthesize.overlap import EvaluationIndex

UNIT: Final = "encoder"


def adapted_encoder(config: RunConfig, arm: str) -> Ref | None:
    """Return where the encoder that an arm starts from is made, if it is one of this stage."""
    known = experiment(config)
    recipe, section = known.recipes[arm], getattr(known.for_arm(arm), "adapt", None)
    text = section.text if isinstance(section, AdaptConfig) else []
    if not text:
        return None
    own = touches(recipe, "adapt")
    own = own or ("synthetic" in text and touches(recipe, "project", "synthesize"))
    return Ref("adapt", f"{arm}/{UNIT}" if own else UNIT)


class AdaptStage(RunStage[AdaptConfig]):
    """Trains the encoder by masked-LM before any tagger starts from it; off unless asked for.

    Arms that set options of this stage have an encoder of their own, ``<arm>/encoder``.
    """

    name = "adapt"
    version = "1"
    about = "train the encoder on target-language text before the taggers (masked-LM)"
    reasons: ClassVar[Mapping[str, str]] = {
        "test_overlap": "the same sentence is in an evaluation set",
    }
    batch_option = "adapt.batch_size"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """One task for the run, and one per arm that adapts in its own way."""
        known = experiment(config)
        units: dict[str, str] = {}
        for arm in known.with_teachers():
            if known.recipes[arm].kind in ("train", "self_train"):
                ref = adapted_encoder(config, arm)
                if ref is not None:
                    units.setdefault(ref.unit, arm)
        return [self._task(config, unit, arm) for unit, arm in units.items()]

    def _task(self, config: RunConfig, unit: str, arm: str) -> Task:
        known = experiment(config)
        settings = known.recipes[arm].settings if unit != UNIT else {}
        options = self.options(config.with_settings(settings))
        inputs: dict[str, Ref] = {}
        for text in options.text:
            if text == "source":
                inputs[text] = Ref("prepare", f"train/{config.source}")
            for lang in config.languages if text != "source" else ():
                made = known.unit_of(arm, "synthesize", lang) if unit != UNIT else lang
                inputs[f"{text}/{lang}"] = {
                    "unlabelled": Ref("prepare", f"unlabelled/{lang}"),
                    "synthetic": Ref("synthesize", made),
                    "translations": Ref("translate", lang),
                }[text]
        for lang in config.languages:
            if config.data.per_language("test", lang) is not None:
                inputs[f"eval/{lang}"] = Ref("prepare", f"test/{lang}")
        return Task(self.name, unit, "model", inputs, settings=settings, seeded_as=UNIT)

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Find text that there is none of."""
        for task in tasks:
            options = self.options(config.with_settings(task.settings))
            if "unlabelled" in options.text:
                for lang in config.languages:
                    if config.data.per_language("unlabelled", lang) is None:
                        yield Problem(
                            "adapt.text", f"names unlabelled, but data.unlabelled has no {lang!r}"
                        )

    def models(self, config: RunConfig, task: Task) -> Mapping[str, str]:
        """Return the encoder."""
        return {"encoder": config.models.encoder}

    def run(self, inputs: Inputs[Artifact], out: Output, context: Context) -> None:
        """Train the encoder."""
        from stages.adapt.masked import adapt_encoder

        config, options = context.config, self.options(context.config)
        tested = EvaluationIndex(
            row["words"] for data in inputs.only("eval").values() for row in data.rows()
        )

        def sentences() -> Iterator[list[str]]:
            for (text, *_), data in inputs.only(*options.text).all().items():
                for row in data.rows():
                    if not row["words"] or not row.get("kept", True):
                        continue
                    if tested.overlap(row["words"]) == 1.0:
                        context.drop("test_overlap")
                        continue
                    context.count(f"sentences_{text}")
                    yield row["words"]

        encoder = locate(config.models.encoder, config.config_dir)
        found = adapt_encoder(
            sentences(),
            encoder.download(),
            out.folder,
            context.work_dir,
            options,
            seed=context.seed,
            progress=context.progress,
            title=f"adapt {context.task.unit}",
        )
        context.count("sentences", found.sentences)
        context.count("subwords", found.subwords)
        context.notes |= {"loss_first": found.losses[0], "loss_last": found.losses[1]}
        context.notes["new_head"] = found.new_head
        _write_card(out.folder, encoder.name, config, options, found.sentences)


def _write_card(
    folder: Path, encoder: str, config: RunConfig, options: AdaptConfig, sentences: int
) -> None:
    name = Path(encoder).name if "/" in encoder and Path(encoder).is_dir() else encoder
    facts: dict[str, Any] = {
        "base": name,
        "text": ", ".join(options.text),
        "languages": ", ".join(config.languages),
        "sentences": f"{sentences:,}",
        "updates": f"{options.max_steps} of {options.batch_size} sentences",
    }
    lines = [f"- {key}: {value}" for key, value in facts.items()]
    text = f"# {name}, trained further by masked-LM\n\n" + "\n".join(lines) + "\n"
    (folder / "README.md").write_text(text, encoding="utf-8")


STAGE = AdaptStage()
