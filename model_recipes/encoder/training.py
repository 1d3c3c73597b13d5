"""Pre-training and saving the encoder."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from model_recipes.encoder.config import ObjectiveConfig, PretrainEncoderConfig
from model_recipes.encoder.examples import IGNORED, Item, ItemMaker, Row
from model_recipes.encoder.links import Links, link_corpus
from model_recipes.encoder.wordpieces import load_wordpiece, save_wordpiece, train_wordpiece
from model_recipes.shared.batching import padded
from model_recipes.shared.card import Card, write_card
from model_recipes.shared.cooccurrence import (
    START,
    cooccurrence_embeddings,
    start_embeddings,
)
from model_recipes.shared.corpus import TrainingText, load_corpus
from model_recipes.shared.loop import Progress, run_training
from model_recipes.shared.saving import save_half, training_report
from model_recipes.shared.starting import keep_vocabulary, start_model
from model_recipes.shared.vocabulary_loss import vocabulary_loss

logger = logging.getLogger(__name__)

_FIRST_SCALE = 0.04
"""Root mean square of counted embeddings: twice that of the other weights, to stand out."""


def pretrain_encoder(
    config: PretrainEncoderConfig,
    output_dir: Path,
    work_dir: Path,
    *,
    seed: int,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Pre-trains the encoder of the configuration and saves it as a Transformers folder.

    Called again after an interruption, it continues from the checkpoint in `work_dir`.

    Args:
        config: Text, shape, objectives, budget.
        output_dir: Gets `BertForMaskedLM` weights in fp16 safetensors and the tokenizer.
        work_dir: Keeps vocabulary, word links, checkpoint and report.
        seed: Decides everything random.
        progress: Called with figures while training.

    Returns:
        What was done, ready for a manifest: steps, seconds, targets, losses, parameters, drops.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(config.corpus)
    logger.info("%s", corpus.report())
    fingerprint = config.fingerprint(corpus, seed)
    kept = work_dir / f"tokenizer-{fingerprint[:12]}.json"

    def learn() -> bytes:
        pivot = config.corpus.pivot_language
        text = list(corpus.sentences)
        text += [(pair.language, pair.target) for pair in corpus.pairs]
        text += [(pivot, pair.source) for pair in corpus.pairs]
        made = train_wordpiece(text, subwords=config.subwords, per_language=60_000, seed=seed)
        return made.encode()

    keep_vocabulary(kept, config, "tokenizer.json", learn)
    vocabulary = kept.read_text(encoding="utf-8")
    tokenizer = load_wordpiece(vocabulary, config.shape.max_positions)
    links: dict[int, Links] = {}
    if config.objective.alignment > 0 and corpus.pairs:
        found = work_dir / f"links-{fingerprint[:12]}.npz"
        links = link_corpus(corpus, tokenizer, config.objective, found)
        logger.info("%d word links in %d pairs", sum(map(len, links.values())), len(links))
    maker = ItemMaker(corpus.pairs, corpus.sentences, links, config, tokenizer, seed)
    model = build_model(config, tokenizer, seed)
    checkpoint = work_dir / "checkpoint.pt"

    def embeddings() -> None:
        vectors = count_embeddings(corpus, tokenizer, config.shape.width, seed)
        start_embeddings(model.bert.embeddings.word_embeddings.weight, vectors, _FIRST_SCALE)

    start_model(model, config, checkpoint, embeddings)
    state = run_training(
        model,
        maker.shard,
        lambda batch, device: pretraining_loss(model, batch, device, config.objective),
        config.loop,
        checkpoint=checkpoint,
        fingerprint=fingerprint,
        seed=seed,
        progress=progress,
    )
    # Fine-tuning on little data needs the usual regularisation that pre-training went without.
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.1
    save_half(model, output_dir)
    save_wordpiece(vocabulary, output_dir, config.shape.max_positions)
    report = training_report(state, corpus, model, config)
    report["items_too_long"] = maker.too_long
    report["linked_pairs"] = len(links)
    sources = (*config.corpus.parallel, *config.corpus.monolingual)
    write_card(describe(config), output_dir, sources, report)
    (work_dir / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return report


def describe(config: PretrainEncoderConfig) -> Card:
    """The model card of an encoder made with this configuration."""
    shape, objective = config.shape, config.objective
    languages = [config.corpus.pivot_language, *config.corpus.languages]
    return Card(
        title="Small multilingual encoder",
        languages=languages,
        tags=["fill-mask", "bert", "word-alignment"],
        what=(
            f"A BERT-shaped, cased encoder for {', '.join(languages)}, small enough to be "
            "fine-tuned on two cores in minutes; for word alignment and for named entity "
            "recognition across languages."
        ),
        recipe=(
            f"{shape.width} wide, {shape.layers} layers, {config.subwords} WordPiece subwords, at "
            f"most {shape.max_positions} positions; embeddings start at "
            f"{START[config.embeddings]}. "
            "Masked LM on single sentences, translation LM on "
            "pairs, and an alignment objective: words linked by the statistical aligner (hidden "
            "Markov models, learnt from the same pairs) must find each other by the cosine of "
            f"layer {objective.alignment_layer}; in the proportion {objective.monolingual:g} : "
            f"{objective.translation:g} : {objective.alignment:g}. Made by the stage "
            "`pretrain_encoder`."
        ),
        limits=(
            "Anything that needs knowledge of the world or long contexts: it has seen a few "
            "million words. Other languages than those above. Use a large pre-trained encoder "
            "(multilingual BERT, XLM-R) wherever one can be had."
        ),
    )


def build_model(
    config: PretrainEncoderConfig, tokenizer: BertTokenizer, seed: int
) -> BertForMaskedLM:
    """A `BertForMaskedLM` with fresh weights."""
    shape = config.shape
    torch.manual_seed(seed)
    return BertForMaskedLM(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.feed_forward,
            max_position_embeddings=shape.max_positions,
            hidden_dropout_prob=shape.dropout,
            attention_probs_dropout_prob=0.0,
            pad_token_id=tokenizer.pad_token_id,
            # Plain products: torch's fused attention is slow on CPU for rows this short.
            attn_implementation="eager",
        )
    )


def count_embeddings(
    corpus: TrainingText, tokenizer: BertTokenizer, width: int, seed: int
) -> NDArray[np.float32]:
    """Embeddings of the vocabulary from what occurs together in the corpus."""
    backend = tokenizer.backend_tokenizer

    def encode(texts: list[str]) -> list[list[int]]:
        return [e.ids for e in backend.encode_batch(texts, add_special_tokens=False)]

    sources = encode([pair.source for pair in corpus.pairs])
    targets = encode([pair.target for pair in corpus.pairs])
    bags = [source + target for source, target in zip(sources, targets, strict=True)]
    bags += encode([sentence for _, sentence in corpus.sentences])
    return cooccurrence_embeddings(bags, size=len(tokenizer), width=width, seed=seed)


def pretraining_loss(
    model: BertForMaskedLM, batch: list[Item], device: torch.device, objective: ObjectiveConfig
) -> tuple[torch.Tensor, int]:
    """Masked-LM loss, computed at masked positions only, plus the alignment loss of linked rows.

    Returns:
        The loss, and the number of masked positions (at least 1).
    """
    linked = batch[0].links is not None
    rows = [item.rows[0] for item in batch]
    if linked:
        rows += [item.rows[1] for item in batch]
    subwords, positions, labels, attention = _tensors(rows, device)
    output = model.bert(
        input_ids=subwords,
        attention_mask=attention,
        position_ids=positions,
        output_hidden_states=linked,
    )
    wanted = labels != IGNORED
    count = int(wanted.sum())
    loss = output.last_hidden_state.float().sum() * 0.0
    if count:
        head = model.cls.predictions
        states = head.transform(output.last_hidden_state[wanted])
        loss = vocabulary_loss(states, head.decoder.weight, labels[wanted], head.decoder.bias)
    if linked:
        hidden = output.hidden_states[objective.alignment_layer]
        half = len(batch)
        words = padded([row.words for row in rows], -1, device)
        loss = loss + objective.alignment_weight * alignment_loss(
            word_vectors(hidden[:half].float(), words[:half, : hidden.shape[1]]),
            word_vectors(hidden[half:].float(), words[half:, : hidden.shape[1]]),
            [item.links for item in batch],  # type: ignore[misc]
            objective.alignment_temperature,
        )
    return loss, max(1, count)


def word_vectors(hidden: torch.Tensor, words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of the subwords of each word, scaled to length 1.

    Args:
        hidden: Shape (rows, subwords, width).
        words: Shape (rows, subwords); number of the word of each subword, -1 for none.

    Returns:
        Vectors of shape (rows, words, width), and which of them are words, (rows, words).
    """
    count = int(words.max()) + 1
    slots = torch.where(words < 0, count, words)
    sums = hidden.new_zeros(hidden.shape[0], count + 1, hidden.shape[2])
    sums = sums.scatter_add(1, slots[..., None].expand_as(hidden), hidden)
    sizes = hidden.new_zeros(hidden.shape[0], count + 1)
    sizes = sizes.scatter_add(1, slots, torch.ones_like(slots, dtype=hidden.dtype))
    return normalize(sums[:, :count], dim=-1), sizes[:, :count] > 0


def alignment_loss(
    source: tuple[torch.Tensor, torch.Tensor],
    target: tuple[torch.Tensor, torch.Tensor],
    links: Sequence[Links],
    temperature: float,
) -> torch.Tensor:
    """Each linked word must find its partner among the words of the other sentence, both ways."""
    (left, left_there), (right, right_there) = source, target
    similarity = left @ right.transpose(1, 2) / temperature
    lowest = torch.finfo(similarity.dtype).min
    forward = similarity.masked_fill(~right_there[:, None, :], lowest).log_softmax(2)
    backward = similarity.masked_fill(~left_there[:, :, None], lowest).log_softmax(1)
    rows = [(row, int(i), int(j)) for row, pairs in enumerate(links) for i, j in pairs]
    index = torch.tensor(rows, device=similarity.device).unbind(1)
    return -(forward[index] + backward[index]).mean() / 2


def _tensors(rows: list[Row], device: torch.device) -> tuple[torch.Tensor, ...]:
    """Subwords, positions, labels and attention mask, each of shape (rows, longest row)."""
    return (
        padded([row.subwords for row in rows], 0, device),
        padded([row.positions for row in rows], 0, device),
        padded([row.labels for row in rows], IGNORED, device),
        padded([[1] * len(row.subwords) for row in rows], 0, device),
    )
