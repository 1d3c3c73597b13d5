"""What is wrong with the options of ``align``, found without loading a weight."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import ConfigError, ModelError
from pipeline.models import locate
from pipeline.resources import resolve_path
from pipeline.stage import Problem
from stages.align.backends import ctranslate2_problem
from stages.align.config import AlignConfig, MemberConfig
from stages.align.layers import layer_problem
from stages.align.planning import (
    Surroundings,
    back_translation_problem,
    eflomal_installed,
    model_name,
    resolve,
    translator_problem,
)

# Aligners whose models the backends compute.
_ENCODED = ("simalign", "softmax", "translator")


def problems(config: AlignConfig, around: Surroundings) -> Iterator[Problem]:
    """Yield missing models, layers that do not exist, languages that a translator lacks."""
    for index, member in enumerate(resolve(config, around).members):
        prefix = f"align.members.{index}" if config.aligner == "ensemble" else "align"
        yield from _member_problems(prefix, member, config, around)
    for index, text in enumerate(config.parallel):
        if len(text.languages) != 2:
            yield Problem(
                f"align.parallel.{index}",
                f"{text.path}: name the two languages of its sentence pairs, not {text.languages}",
            )
        for path in (text.path, text.second_path):
            if path is not None and not resolve_path(str(path), around.config_dir).is_file():
                yield Problem(f"align.parallel.{index}", f"{path}: no such file")


def _member_problems(
    prefix: str, member: MemberConfig, config: AlignConfig, around: Surroundings
) -> Iterator[Problem]:
    if member.aligner == "eflomal" and not eflomal_installed():
        yield Problem(
            f"{prefix}.aligner",
            "eflomal is not installed; install it (pip install eflomal), or use 'statistical', "
            "which needs no extra package",
        )
    if member.dtype == "int8" and config.device == "cuda":
        yield Problem(
            f"{prefix}.dtype", "int8 runs on the CPU only; allowed on cuda: float32, bfloat16"
        )
    try:
        name = model_name(member, around)
        if name is None:
            return
        model = locate(name, around.config_dir)
        model.require_weights()
        if model.config is not None:
            problem = layer_problem(member.layer, model.config, name)
            if problem:
                yield Problem(f"{prefix}.layer", problem)
            if member.backend == "ctranslate2" and member.aligner in _ENCODED:
                problem = ctranslate2_problem(
                    model.config, member.layer, member.dtype, config.device
                )
                if problem:
                    yield Problem(f"{prefix}.backend", problem)
        translator = {
            "translator": translator_problem,
            "back_translation": back_translation_problem,
        }
        if member.aligner in translator:
            problem = translator[member.aligner](model, around)
            if problem:
                yield Problem(f"{prefix}.model" if member.model else "models.translator", problem)
    except ConfigError as error:
        key, _, message = str(error).partition(": ")
        yield Problem(key, message)
    except ModelError as error:
        yield Problem(f"{prefix}.model" if member.model else "models.encoder", str(error))
