"""Trains a tagger through transformers' Trainer."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import set_seed

from pipeline.errors import ConfigError, DataError, ModelError
from pipeline.progress import Progress
from pipeline.schema import Span
from stages.quiet import quiet
from stages.tagger.adapter import attach, merge, save
from stages.tagger.encoding import WordEncoder, load_tokenizer, longest_window
from stages.tagger.labels import LabelSet
from stages.tagger.modeling import LayerFusedForTokenClassification
from stages.train.config import TaggerOptions
from stages.train.data import TrainingSentence, TrainingSet
from stages.train.optimisation import freeze_layers
from stages.train.presets import (
    doubts,
    for_the_rest,
    layer_parameters,
    lora_preset,
    preset_for,
    resolved,
)
from stages.train.trackers import missing_trackers
from stages.train.trainer import DevSet, TaggerTrainer, TrainingResult

HISTORY = "training.json"
logger = logging.getLogger(__name__)


def train_tagger(
    options: TaggerOptions,
    train: Iterable[TrainingSentence],
    dev: Sequence[tuple[Sequence[str], Sequence[Span]]],
    output_dir: Path,
    work_dir: Path,
    *,
    encoder: str | Path,
    labels: Sequence[str],
    seed: int,
    head: Mapping[str, Any] | None = None,
    temperature: float = 1.0,
    provenance: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    title: str = "train",
) -> TrainingResult:
    """Train a tagger and save the chosen weights.

    A training that was killed continues from its last checkpoint in ``work_dir`` when called again
    with the same arguments, and ends with the same weights.

    Args:
        options: Hyper-parameters.
        train: Training sentences; read once, streaming.
        dev: Words and gold spans of the sentences that the best weights are chosen on; may be empty
            if ``options.select`` is ``last``.
        output_dir: Folder for the model, its tokenizer, its card and ``training.json``.
        work_dir: Folder for checkpoints; must survive a kill.
        encoder: Local folder or hub id of an encoder, or of a tagger to start from.
        labels: Label names in order (``O``, ``B-…``, ``I-…``).
        seed: Decides initial weights, order and dropout.
        head: Fields of ``LayerFusedConfig``: ``fusion``, ``fusion_layer``, ``aif_ratio`` …
        temperature: For soft labels.
        provenance: Facts for the model card.
        progress: Where to show the progress.
        title: What to call the training there.

    Returns:
        What was done.

    Raises:
        ConfigError: If the package of a tracker in ``report_to`` is not installed.
        DataError: If there is nothing to train on, or a label is unknown.
        ModelError: If the encoder cannot be loaded.
    """
    if missing := missing_trackers(options.report_to):
        raise ConfigError([f"train.report_to: {m}" for m in missing])
    set_seed(seed)
    tokenizer = load_tokenizer(encoder)
    try:
        with quiet():
            model = LayerFusedForTokenClassification.from_encoder(
                encoder,
                list(labels),
                label_subwords=options.label_subwords,
                dropout=options.dropout,
                provenance=dict(provenance or {}),
                **(head or {}),
            )
        adapted = None
        preset = preset_for(layer_parameters(model))
        if options.lora is not None:
            adapted = attach(model, **options.lora.model_dump(exclude={"save"}))
            preset = lora_preset(preset)
        frozen = freeze_layers(model, options.freeze_layers, options.freeze_embeddings)
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot build a tagger on {encoder}: {error}") from error
    preset = for_the_rest(preset, frozen)
    options = resolved(options, preset)
    limit = longest_window(model.config, tokenizer)
    words = WordEncoder(tokenizer, min(options.window or limit, limit))
    model.config.window = words.window
    label_set = LabelSet(labels)
    data = TrainingSet.build(train, words, label_set, all_subwords=options.label_subwords == "all")
    if not len(data):
        raise DataError(f"{title}: there are no training sentences")
    selection = None
    if options.select != "last":
        if not dev:
            raise DataError(
                f"{title}: no sentences to select on (train.select is {options.select!r}); give "
                "dev data, or set train.select to 'last'"
            )
        if not any(spans for _, spans in dev):
            raise DataError(
                f"{title}: none of the {len(dev):,} sentences to select on (train.select is "
                f"{options.select!r}) has a labelled entity, so all checkpoints would score the "
                "same; give dev data with labels, or set train.select to 'last'"
            )
        selection = DevSet(dev, words, label_set, options.label_subwords == "all")
    # Those of a tagger it starts from are not its own.
    model.config.score_temperature, model.config.fitted_temperature = 1.0, None
    trainer = TaggerTrainer(
        model, data, selection, options, work_dir, seed=seed, temperature=temperature, title=title
    )
    result = trainer.run(progress or Progress())
    if trainer.is_world_process_zero():
        if options.calibrate:
            fitted = 1.0 if selection is None else selection.temperature(model, None)
            seen = options.select == "target_dev"
            result.temperature = fitted if seen else max(fitted, options.least_temperature)
            model.config.score_temperature = result.temperature
            model.config.fitted_temperature = fitted
        if doubt := doubts(result, result.learning_rate, preset):
            logger.warning("%s: %s", title, doubt)
        facts = dict(provenance or {})
        facts["training"] = {
            **facts.get("training", {}),
            "learning rate": result.learning_rate,
            "layer decay": result.layer_decay,
        }
        if result.best_f1 is not None:
            facts["scores"] = {**facts.get("scores", {}), f"F1 on {options.select}": result.best_f1}
        model.config.provenance = facts
        with quiet():
            if adapted is not None and options.lora is not None and options.lora.save == "adapter":
                save(model, adapted, output_dir, str(encoder))
            else:
                if adapted is not None:
                    merge(model, adapted)
                model.save_pretrained(output_dir)
            tokenizer.save_pretrained(output_dir)
        text = json.dumps(asdict(result), indent=1, sort_keys=True)
        (output_dir / HISTORY).write_text(text + "\n", encoding="utf-8")
    return result
