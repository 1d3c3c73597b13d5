"""What is trained: trials, and the stacks and order in which they are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

DEV = ("dev/en", "dev/de", "dev/es", "dev/nl")
CONLL = ("test/de", "test/es", "test/nl")
AFRICAN = ("test/sw", "test/ha", "test/yo")
WIKIANN = ("wikiann/dev/en", "wikiann/test/de", "wikiann/test/fr", "wikiann/test/nl")
RIVALS = {
    **dict.fromkeys(("de", "es", "nl"), ("awesome", "simalign", "mgiza", "fast_align")),
    **dict.fromkeys(("sw", "ha", "yo"), ("t_projection",)),
}
SEEDS = (13, 14, 15, 16, 17)
TUNING = (101,)
"""Seeds of the trials that choose options: none of them is a trial that is reported."""
DEPTH = 12


@dataclass(frozen=True, slots=True)
class Trial:
    """One training.

    Attributes:
        arm: What it is called in the results.
        data: Sets that it trains on.
        scored: Sets that it is scored on at the end.
        evaluations: Numbers of updates after which it is scored as well.
        fusion: Kind of fusion.
        layer: Fusion layer, 0 for the embeddings.
        seed: Decides head, order and dropout.
        rate: Peak learning rate.
        decay: Factor per layer downwards.
        frozen: Whether the embeddings stay as they are.
        updates: How many.
        warmup: Share of the updates with rising rate; then it falls linearly to 0.
        weight_decay: Of AdamW.
    """

    arm: str
    data: tuple[str, ...]
    scored: tuple[str, ...]
    seed: int
    fusion: str = "none"
    layer: int = 0
    rate: float = 3e-4
    decay: float = 0.9
    frozen: bool = False
    updates: int = 1500
    warmup: float = 0.1
    weight_decay: float = 0.01
    evaluations: tuple[int, ...] = ()

    def factor(self, update: int) -> float:
        """Return what the schedule multiplies the rate of an update (from 0) with."""
        rising = round(self.warmup * self.updates)
        if update < rising:
            return update / max(1, rising)
        return max(0.0, (self.updates - update) / max(1, self.updates - rising))


@dataclass(slots=True)
class Job:
    """Trials that are trained side by side.

    Attributes:
        name: For messages.
        trials: What is trained; all have the same number of updates.
        needs: ``recipe``, ``layer``: what must have been chosen before.
    """

    name: str
    trials: list[Trial]
    needs: str = ""


@dataclass(slots=True)
class Chosen:
    """What the dev sets have chosen.

    Attributes:
        recipe: Options of our taggers.
        bare: Options of the plain script.
        layer: Fusion layer, by source dev.
        why: The figures, for the results.
    """

    recipe: dict[str, Any] = field(
        default_factory=lambda: {"rate": 3e-4, "decay": 0.9, "frozen": False}
    )
    bare: dict[str, Any] = field(default_factory=lambda: {"rate": 2e-4, "updates": 1500})
    layer: int = DEPTH - 2
    why: dict[str, Any] = field(default_factory=dict)


def tuning() -> list[Job]:
    """Return the trials that choose learning rate, layer decay and frozen embeddings.

    ``bare`` is a plain script of transformers: linear schedule without warm-up, no layer decay, no
    weight decay, the whole model; its rate and updates are chosen the same way.
    """
    jobs: list[Job] = []
    base = Trial("tuning", ("train/en",), DEV, 0)
    for seed in TUNING:
        for frozen, rates in ((False, (1e-4, 2e-4, 3e-4, 5e-4)), (True, (2e-4, 3e-4, 5e-4, 1e-3))):
            trials = [
                replace(base, seed=seed, rate=rate, decay=decay, frozen=frozen)
                for rate in rates
                for decay in (1.0, 0.9, 0.8)
            ]
            jobs.append(Job(f"tuning {'frozen' if frozen else 'all'} {seed}", trials))
    bare = replace(base, arm="bare", seed=TUNING[0], decay=1.0, warmup=0.0, weight_decay=0.0)
    plain = [
        Job(
            f"tuning bare {updates}",
            [replace(bare, rate=rate, updates=updates) for rate in (5e-5, 1e-4, 2e-4, 3e-4)],
        )
        for updates in (1500, 3000)
    ]
    return [*jobs[:2], *plain[::-1], *jobs[2:]]


def comparison(sets: set[str], layers: tuple[int, ...]) -> list[Job]:
    """Return everything else, the most important first; recipe and layer are filled in later."""
    conll = Trial("sweep", ("train/en",), ("dev/en", *CONLL, *AFRICAN), 0)
    jobs = [_sweep(f"sweep conll {seed}", replace(conll, seed=seed), layers) for seed in SEEDS]
    wikiann = Trial("sweep_wikiann", ("wikiann/train/en",), WIKIANN, 0)
    wiki = [_sweep(f"sweep wikiann {s}", replace(wikiann, seed=s), layers) for s in SEEDS]
    long = replace(conll, arm="curve", updates=3000)
    three = [replace(long, seed=s, fusion=f) for s in SEEDS for f in ("none", "dlfa_aif")]
    bare = Trial("bare", ("train/en",), conll.scored, 0, decay=1.0, warmup=0.0, weight_decay=0.0)
    plain = [replace(bare, seed=s) for s in SEEDS[:3]]
    arms = {lang: _arms(lang, sets) for lang in RIVALS if f"ours/{lang}" in sets}
    curve = [
        Job(f"curve {u}", [replace(t, updates=u) for t in three], "layer") for u in (100, 300, 1000)
    ]
    wiki_curve = [
        Job(
            f"curve wikiann {u}",
            [
                replace(wikiann, arm="curve_wikiann", seed=s, fusion=f, updates=u)
                for s in SEEDS
                for f in ("none", "dlfa_aif")
            ],
            "layer",
        )
        for u in (100, 300, 1000, 3000)
    ]
    ordered = [
        *jobs[:2],
        Job("bare", plain, "bare"),
        *arms.pop("de", []),
        Job("3000 updates", three, "layer"),
        *arms.pop("sw", []),
        *jobs[2:],
        *curve,
        *[job for lang in ("es", "nl", "ha", "yo") for job in arms.pop(lang, [])],
        *wiki[:2],
        *wiki_curve[:3],
        *wiki[2:],
        wiki_curve[3],
    ]
    return ordered


def _sweep(name: str, base: Trial, layers: tuple[int, ...]) -> Job:
    fused = [replace(base, fusion="dlfa_aif", layer=layer) for layer in layers]
    return Job(name, [base, *fused], "recipe")


def _arms(lang: str, sets: set[str]) -> list[Job]:
    """Return the trials on translations into a language, two stacks: last layer, and fused."""
    jobs = []
    for fused in (False, True):
        trials = []
        for seed in SEEDS[:3]:
            for labels in ("ours", *RIVALS[lang]):
                rival = labels != "ours"
                if (fused and rival and labels != "t_projection") or f"{labels}/{lang}" not in sets:
                    continue
                arm = (f"rival:{labels}" if rival else "projected") + ("_fused" if fused else "")
                trials.append(
                    Trial(
                        arm,
                        ("train/en", f"{labels}/{lang}"),
                        ("dev/en", f"test/{lang}"),
                        seed,
                        fusion="dlfa_aif" if fused else "none",
                    )
                )
        jobs.append(Job(f"arms {lang}{' fused' if fused else ''}", trials, "layer"))
    return jobs


def fill(job: Job, chosen: Chosen) -> Job:
    """Return a job with the chosen options in place."""
    trials = []
    for trial in job.trials:
        if job.needs == "bare":
            trial = replace(trial, **chosen.bare)
        elif job.needs:
            trial = replace(trial, **chosen.recipe)
        if job.needs == "layer" and trial.fusion != "none":
            trial = replace(trial, layer=chosen.layer)
        trials.append(trial)
    return Job(job.name, trials, job.needs)
