"""Training and saving the translator."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from transformers import MarianConfig, MarianMTModel

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
from model_recipes.translator.bilingual import read_places
from model_recipes.translator.bitext import Phrase
from model_recipes.translator.config import TrainTranslatorConfig
from model_recipes.translator.examples import ExampleMaker, Texts, TranslationExample
from model_recipes.translator.extending import extend_model
from model_recipes.translator.phrases import find_phrases
from model_recipes.translator.sentencepieces import (
    marian_vocabulary,
    train_sentencepiece,
    write_tokenizer,
)
from model_recipes.translator.tags import tag_symbols
from pipeline.disk import write_atomic
from stages.text_sources import read_entities
from stages.translate.word_list import write_word_list

logger = logging.getLogger(__name__)


def train_translator(
    config: TrainTranslatorConfig,
    output_dir: Path,
    work_dir: Path,
    *,
    seed: int,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Trains the translator of the configuration and saves it as a Transformers folder.

    Called again after an interruption, it continues from the checkpoint in `work_dir`; called
    after the end, it only saves the model again.

    Args:
        config: Text, shape, budget.
        output_dir: Gets `MarianMTModel` weights in fp16 safetensors, a `MarianTokenizer`, and the
            words of every language (`words.<language>.txt`).
        work_dir: Keeps vocabulary, checkpoint, the held-out pairs (`held_out.tsv`: language,
            source, target) and the report on dropped text.
        seed: Decides everything random.
        progress: Called with figures while training.

    Returns:
        What was done, ready for a manifest: steps, seconds, targets, losses, parameters, drops.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(config.corpus)
    logger.info("%s", corpus.report())
    held_out = "".join("\t".join(pair) + "\n" for pair in corpus.held_out)
    (work_dir / "held_out.tsv").write_text(held_out, encoding="utf-8")
    entities = [entity for source in config.gazetteer for entity in read_entities(source)]
    places = [place for path in config.places for place in read_places(path)]
    fingerprint = config.fingerprint(corpus, entities, places, seed)
    languages = [config.corpus.pivot_language, *config.corpus.languages]

    if config.start_from is not None and config.augmentation.marks:
        extended = extend_model(config.start_from, tag_symbols(), work_dir / "start", seed)
        config = config.model_copy(update={"start_from": extended})

    spm_model = work_dir / f"subwords-{fingerprint[:12]}.model"

    def learn() -> bytes:
        text = [side for pair in corpus.pairs for side in pair[1:]]
        text += [name for _, name in entities]
        made = train_sentencepiece(
            text,
            work_dir / "subwords-unfinished",
            subwords=config.subwords,
            seed=seed,
            symbols=tag_symbols() if config.augmentation.marks else (),
        )
        data = made.read_bytes()
        made.unlink()
        return data

    keep_vocabulary(spm_model, config, "source.spm", learn)
    vocabulary = marian_vocabulary(spm_model, languages)
    phrases = _phrases(config, corpus, work_dir / f"phrases-{fingerprint[:12]}.txt", seed)
    texts = Texts(entities, places, phrases, corpus.weights)
    maker = ExampleMaker(corpus.pairs, config, spm_model, vocabulary, texts, seed)
    model = build_model(config, vocabulary, seed)
    checkpoint = work_dir / "checkpoint.pt"

    def embeddings() -> None:
        bags = [maker.encode(f"{pair.source} {pair.target}")[:-1] for pair in corpus.pairs]
        vectors = cooccurrence_embeddings(
            bags, size=len(vocabulary), width=config.shape.width, seed=seed
        )
        start_embeddings(model.model.shared.weight, vectors, config.shape.width**-0.5)

    start_model(model, config, checkpoint, embeddings)
    state = run_training(
        model,
        maker.shard,
        lambda batch, device: translation_loss(
            model, batch, device, vocabulary["<pad>"], config.label_smoothing
        ),
        config.loop,
        checkpoint=checkpoint,
        fingerprint=fingerprint,
        seed=seed,
        progress=progress,
    )
    save_translator(model, spm_model, vocabulary, output_dir)
    write_word_lists(corpus, config.corpus.pivot_language, output_dir)
    report = training_report(state, corpus, model, config)
    report["examples_too_long"] = maker.too_long
    sources = (*config.corpus.parallel, *config.gazetteer)
    write_card(describe(config), output_dir, sources, report)
    (work_dir / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return report


def _phrases(
    config: TrainTranslatorConfig, corpus: TrainingText, path: Path, seed: int
) -> list[list[Phrase]]:
    """The phrase pairs of the text, found once and kept in the work folder."""
    if not config.augmentation.marks:
        return []
    if not path.is_file():
        found = find_phrases(corpus.pairs, seed)
        lines = (" ".join("-".join(map(str, p)) for p in phrases) for phrases in found)
        write_atomic(path, "".join(f"{line}\n" for line in lines).encode())
    return [
        [Phrase(*map(int, phrase.split("-"))) for phrase in line.split()]
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def describe(config: TrainTranslatorConfig) -> Card:
    """The model card of a translator made with this configuration."""
    pivot, others = config.corpus.pivot_language, config.corpus.languages
    shape, varied = config.shape, config.augmentation
    return Card(
        title="Small multilingual translator",
        languages=[pivot, *others],
        tags=["translation", "marian"],
        what=(
            f"A Marian-shaped model that translates {pivot} to and from {', '.join(others)}. The "
            "source begins with the tag of the target language: `>>de<< Good morning.`"
        ),
        recipe=(
            f"{shape.width} wide, {shape.encoder_layers} encoder and {shape.decoder_layers} "
            f"decoder layers, {config.subwords} SentencePiece subwords for all languages, tied "
            f"embeddings that start at {START[config.embeddings]}. Pairs are drawn by language "
            "size to the power of "
            f"{config.sampling_exponent}, {config.into_pivot_share:.0%} of them into {pivot}. In "
            f"{varied.substitute_names:.0%} of the pairs that share a name, the names are replaced "
            f"on both sides ({varied.invented_names:.0%} by invented ones, the rest from labelled "
            f"Wikipedia text); {varied.name_lists:.0%} of the examples are only names and "
            f"figures; {varied.concatenate:.0%} of the short pairs are joined with others; in "
            f"{varied.tags:.0%} phrases that our word links join stand in tags, in "
            f"{varied.slots:.0%} slots stand in for names. "
            "Made by the stage `train_translator`."
        ),
        limits=(
            "Translations for people to read, or to be relied on in any way: it is made for a "
            "laptop demonstration of label projection. Long sentences, news and anything unlike "
            "short everyday sentences come out garbled; facts, negations and figures may be wrong."
        ),
    )


def build_model(
    config: TrainTranslatorConfig, vocabulary: dict[str, int], seed: int
) -> MarianMTModel:
    """A `MarianMTModel` with fresh weights: tied embeddings, Glorot-uniform projections."""
    shape = config.shape
    torch.manual_seed(seed)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(vocabulary),
            d_model=shape.width,
            encoder_layers=shape.encoder_layers,
            decoder_layers=shape.decoder_layers,
            encoder_attention_heads=shape.heads,
            decoder_attention_heads=shape.heads,
            encoder_ffn_dim=shape.feed_forward,
            decoder_ffn_dim=shape.feed_forward,
            max_position_embeddings=shape.max_positions,
            dropout=shape.dropout,
            attention_dropout=0.0,
            activation_dropout=0.0,
            activation_function="relu",
            scale_embedding=True,
            share_encoder_decoder_embeddings=True,
            tie_word_embeddings=True,
            pad_token_id=vocabulary["<pad>"],
            eos_token_id=vocabulary["</s>"],
            bos_token_id=None,
            decoder_start_token_id=vocabulary["<pad>"],
            forced_eos_token_id=vocabulary["</s>"],
            # For rows of a dozen tokens torch's fused attention is slow on CPU: the whole step
            # takes 2.2 times as long as with the plain products.
            attn_implementation="eager",
        )
    )
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and module is not model.lm_head:
            torch.nn.init.xavier_uniform_(module.weight)
    torch.nn.init.normal_(model.model.shared.weight, std=shape.width**-0.5)
    with torch.no_grad():
        model.model.shared.weight[vocabulary["<pad>"]].zero_()
    return model


def translation_loss(
    model: MarianMTModel,
    batch: list[TranslationExample],
    device: torch.device,
    pad: int,
    label_smoothing: float,
) -> tuple[torch.Tensor, int]:
    """Mean cross-entropy over the target subwords; padding never reaches the output layer."""
    source = padded([example.source for example in batch], pad, device)
    target = padded([example.target for example in batch], pad, device)
    start = torch.full((len(batch), 1), pad, device=device)
    hidden = model.model(
        input_ids=source,
        attention_mask=(source != pad).long(),
        decoder_input_ids=torch.cat([start, target[:, :-1]], dim=1),
        use_cache=False,
    ).last_hidden_state
    wanted = target != pad
    # Without the padding, which is the last subword: decoding starts from its embedding, and Marian
    # (and CTranslate2, which does not look) takes that for zero. It starts at zero and stays there.
    subwords = model.model.shared.weight[:pad]
    gold = target[wanted]
    loss = vocabulary_loss(hidden[wanted], subwords, gold, label_smoothing=label_smoothing)
    return loss, gold.numel()


def save_translator(
    model: MarianMTModel, spm_model: Path, vocabulary: dict[str, int], folder: Path
) -> None:
    """Saves weights (fp16, safetensors), generation defaults and tokenizer."""
    assert model.generation_config is not None
    model.generation_config.num_beams = 4
    model.generation_config.max_length = model.config.max_position_embeddings
    model.generation_config.bad_words_ids = [[vocabulary["<pad>"]]]
    save_half(model, folder)
    write_tokenizer(spm_model, vocabulary, folder)


def write_word_lists(corpus: TrainingText, pivot: str, folder: Path) -> dict[str, int]:
    """Writes the words of every language of the pairs beside a model; returns how many they are."""
    texts: dict[str, list[str]] = {}
    for pair in corpus.pairs:
        texts.setdefault(pivot, []).append(pair.source)
        texts.setdefault(pair.language, []).append(pair.target)
    return {language: write_word_list(folder, language, of) for language, of in texts.items()}
