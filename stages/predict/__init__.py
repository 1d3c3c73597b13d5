"""Stage ``predict``: word-level label distributions and entities of every arm on every test set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.arms import ARMS
from pipeline.config import RunConfig
from pipeline.stage import Ref, RowStage, Task, Worker
from stages.predict.config import PredictConfig
from stages.train.recipe import tagger_for


class PredictStage(RowStage):
    """Applies the taggers of the compared arms."""

    name = "predict"
    version = "1"
    config_type = PredictConfig
    about = "label the test data with every arm's taggers"

    def options(self, config: RunConfig) -> PredictConfig:
        """Return the section ``predict``."""
        return config.section(self.name, PredictConfig)

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """One task per compared arm, seed and data set."""
        data = [
            (f"test/{lang}", lang)
            for lang in config.languages
            if config.data.per_language("test", lang) is not None
        ]
        if self.options(config).source_test and config.data.source_test is not None:
            data.append((f"source_test/{config.source}", config.source))
        return [
            self._task(config, arm, seed, name, lang)
            for arm in config.arms
            if ARMS[arm].kind in ("train", "self_train")
            for seed in config.seeds
            for name, lang in data
        ]

    def _task(self, config: RunConfig, arm: str, seed: int, data: str, lang: str) -> Task:
        return Task(
            self.name,
            f"{arm}/seed-{seed}/{data}",
            "predictions",
            {"rows": Ref("prepare", data)},
            {"model": tagger_for(config, arm, seed, lang).ref},
            lang,
            uses=(),
        )

    def worker(
        self, config: RunConfig, task: Task, side: Mapping[str, Path]
    ) -> Callable[[], Worker]:
        """Return the factory of the workers of one task."""
        from stages.predict.worker import PredictFactory

        return PredictFactory(side["model"], self.options(config))


STAGE = PredictStage()
