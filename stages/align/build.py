"""From a plan to aligners: those that learn from the corpus do it first, then all are built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stages.align.aligner import ASSERTED, Aligner, no_advance
from stages.align.pair_source import PairSource
from stages.align.planning import Part, Plan

if TYPE_CHECKING:
    from pipeline.progress import Progress


def build(plan: Plan, collected: Path | None = None) -> Aligner:
    """Build an aligner, loading its models.

    Args:
        plan: What to build.
        collected: Folder with what corpus aligners learnt.
    """
    weights = _weights(plan, collected)
    if _judged(plan, weights):
        from stages.align.agreement import trusts

        for place, trust in trusts(_learnt(collected)).items():
            weights[place] *= trust
    asked = [(p, w) for p, w in zip(plan.parts, weights, strict=True) if w > 0]
    several = len(asked) > 1
    members = [
        _build_one(part, plan, collected, plan.soft and (not several or plan.combine == "mean"))
        for part, _ in asked
    ]
    if not several:
        return members[0]
    from stages.align.ensemble import Ensemble

    floor = plan.floor if plan.soft else ASSERTED
    return Ensemble(members, plan.combine, [w for _, w in asked], floor)


def _weights(plan: Plan, collected: Path | None) -> list[float]:
    """Return the weights of the parts, before their agreement is asked for."""
    words = 0
    if any(part.options.weight_little is not None for part in plan.parts):
        from stages.align.statistical.aligner import learnt_words

        words = learnt_words(_learnt(collected))
    return [part.options.weight_at(words) for part in plan.parts]


def _judged(plan: Plan, weights: list[float]) -> list[int]:
    """Return the places of the parts that have a weight and are weighed by agreement."""
    parts = zip(plan.parts, weights, strict=True)
    return [k for k, (part, weight) in enumerate(parts) if part.options.by_agreement and weight > 0]


def _build_one(part: Part, plan: Plan, collected: Path | None, soft: bool) -> Aligner:
    options = part.options
    if options.aligner == "statistical":
        from stages.align.statistical.aligner import StatisticalAligner

        return StatisticalAligner.load(_learnt(collected), soft=soft, floor=plan.floor)
    if options.aligner == "eflomal":
        from stages.align.eflomal_aligner import EflomalAligner

        return EflomalAligner.load(_learnt(collected), soft=soft, floor=plan.floor)
    if options.aligner == "back_translation":
        from stages.align.back_translation import BackTranslationAligner

        return BackTranslationAligner.load(_learnt(collected), soft=soft, floor=plan.floor)
    assert part.folder is not None
    device = _device(plan.device)
    if options.aligner == "simalign_reference":
        from stages.align.layers import default_layer, layer_count, read_config
        from stages.align.reference import SimAlignReference

        layers = layer_count(read_config(part.folder)) or 0
        layer = default_layer(layers) if options.layer is None else options.layer
        return SimAlignReference(
            part.folder, layer, options.method, options.token_type, options.distortion, device
        )
    from stages.align.contextual import contextual_aligner

    return contextual_aligner(part, plan, device, soft)


def _learnt(collected: Path | None) -> Path:
    if collected is None:  # pragma: no cover - a programming error
        raise ValueError("a corpus aligner needs the folder that learn() filled")
    return collected


def learn(
    plan: Plan,
    own: PairSource,
    extra: PairSource,
    folder: Path,
    progress: Progress | None = None,
    total: int | None = None,
) -> None:
    """Let the aligners that need it learn from the whole corpus.

    Args:
        plan: The aligners.
        own: The pairs that will be aligned.
        extra: Further pairs in the same languages.
        folder: Where to write what :func:`build` reads as ``collected``.
        progress: Where to show progress, if anywhere.
        total: Number of pairs that will be aligned, if known.
    """
    wanted = {part.options.aligner: part for part in plan.parts}
    if "statistical" in wanted:
        from stages.align.statistical.aligner import StatisticalAligner

        with _shown(progress, "learn statistical", StatisticalAligner.rounds(), "rounds") as told:
            StatisticalAligner.fit(own, extra, floor=plan.floor, advance=told).save(folder)
    if "eflomal" in wanted:
        from stages.align.eflomal_aligner import EflomalAligner

        with _shown(progress, "learn eflomal", EflomalAligner.runs(), "runs") as told:
            EflomalAligner.fit(own, extra, folder, told)
    if "back_translation" in wanted:
        from stages.align.back_translation import BackTranslationAligner, back_translator

        model = wanted["back_translation"].folder
        assert model is not None and plan.source is not None and plan.target is not None
        translate = back_translator(model, plan.source, plan.target, plan.device)
        with _shown(progress, "translate back", total, "pairs") as told:
            BackTranslationAligner.fit(own, extra, translate, folder, told, floor=plan.floor)
    if judged := _judged(plan, _weights(plan, folder)):
        from stages.align.agreement import judge

        encoders = {k: _build_one(plan.parts[k], plan, folder, soft=False) for k in judged}
        judge(own, _build_one(wanted["statistical"], plan, folder, soft=False), encoders, folder)


@contextmanager
def _shown(
    progress: Progress | None, label: str, total: int | None, unit: str
) -> Iterator[Callable[[int], None]]:
    if progress is None:
        yield no_advance
        return
    with progress.task(label, total, unit=unit) as bar:
        yield bar.advance


def _device(name: str) -> str:
    if name != "auto":
        return name
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
