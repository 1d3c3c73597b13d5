"""Learning rates by the size of an encoder, and signs that a training did not fit.

What an encoder needs goes with the parameters of its layers, not with those of its embeddings,
most of which are a question of how many languages its vocabulary spells. Figures: docs/tagger.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from stages.train.config import TaggerOptions

if TYPE_CHECKING:
    from torch import nn

    from stages.train.trainer import TrainingResult


@dataclass(frozen=True, slots=True)
class Preset:
    """What fits encoders up to a size.

    Attributes:
        up_to: Most parameters in the encoder's layers.
        learning_rate: Peak rate of the encoder.
        layer_decay: Factor per layer downwards.
    """

    up_to: float
    learning_rate: float
    layer_decay: float


PRESETS: Final = (
    Preset(10e6, 1e-3, 0.8),  # the small encoder: 6 layers, 256 wide
    Preset(50e6, 2e-4, 0.9),  # MiniLM, multilingual-e5-small: 12 layers, 384 wide
    Preset(200e6, 5e-5, 1.0),  # multilingual BERT, XLM-R base: 12 layers, 768 wide
    Preset(float("inf"), 2e-5, 1.0),  # XLM-R large
)
_HIGH: Final = 2.5
_POOR: Final = 0.5
_RISING: Final = 0.03


def layer_parameters(model: nn.Module) -> int:
    """Return how many parameters the layers of a tagger's encoder have.

    Those of an encoder whose layers do not stand in one list: all but its embeddings'.
    """
    from stages.encoder_layers import layer_stack

    encoder: Any = model.encoder
    if found := layer_stack(encoder):
        return sum(p.numel() for p in found[1].parameters())
    named = encoder.named_parameters()
    return sum(p.numel() for name, p in named if "embeddings" not in name.split("."))


def preset_for(parameters: int) -> Preset:
    """Return what fits an encoder whose layers have so many parameters."""
    return next(p for p in PRESETS if parameters <= p.up_to)


def for_the_rest(preset: Preset, frozen: float) -> Preset:
    """Return what fits where a share of the layers stays as it is.

    The others learn more quickly by that much: half of the layers at twice the rate.
    """
    if frozen >= 1:
        return preset
    return replace(preset, learning_rate=preset.learning_rate / (1 - frozen))


def lora_preset(preset: Preset) -> Preset:
    """Return what fits adapters in such an encoder: ten times its rate, at most 2e-3, no decay."""
    return replace(preset, learning_rate=min(2e-3, 10 * preset.learning_rate), layer_decay=1.0)


def resolved(options: TaggerOptions, preset: Preset) -> TaggerOptions:
    """Return the options with what they leave open filled in."""
    changes: dict[str, float] = {}
    if options.learning_rate is None:
        changes["learning_rate"] = preset.learning_rate
    if options.layer_decay is None:
        changes["layer_decay"] = preset.layer_decay
    return options.model_copy(update=changes)


def doubts(result: TrainingResult, learning_rate: float, preset: Preset) -> str | None:
    """Return what to warn of if a training ended far from fitted, and what could be done.

    Two signs: the F1 on the selection set is below one half, or it still rose by more than three
    points between the last two evaluations of a training that was not stopped early.
    """
    scores = [(int(e["step"]), float(e["eval_f1"])) for e in result.history if "eval_f1" in e]
    if result.best_f1 is None or not scores:
        return None
    signs: list[str] = []
    if result.best_f1 < _POOR:
        signs.append(f"F1 on the selection set reached {100 * result.best_f1:.1f} only")
    if len(scores) > 1 and result.steps >= result.planned_steps:
        (before, earlier), (after, later) = scores[-2:]
        if later - earlier > _RISING:
            signs.append(
                f"F1 on the selection set still rose at the end ({100 * earlier:.1f} after "
                f"{before} updates, {100 * later:.1f} after {after})"
            )
    if not signs:
        return None
    usual = f"{preset.learning_rate:g} is what fits an encoder of this size"
    if learning_rate > _HIGH * preset.learning_rate:
        advice = f"train.learning_rate {learning_rate:g} is high: {usual}"
    elif learning_rate < preset.learning_rate / _HIGH:
        advice = f"train.learning_rate {learning_rate:g} is low: {usual}"
    else:
        advice = "more updates (train.max_steps, train.epochs) or more training data may help"
    return f"not fitted: {'; '.join(signs)}. {advice}"
