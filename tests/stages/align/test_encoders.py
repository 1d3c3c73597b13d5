"""Cut encoders, windows and subwords: the right states for the right words, whatever comes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError, ModelError
from stages.align.build import build
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.embeddings import Embedder
from stages.align.layers import TorchLayers, max_subwords
from stages.align.planning import plan
from stages.align.subwords import (
    SentenceSubwords,
    Specials,
    SubwordCutter,
    transformers_cut,
    windows,
)
from stages.encoder_facts import alignment_layer
from stages.tagger.encoding import load_tokenizer
from tests.tiny.encoders import encoder_folder
from tests.tiny.translators import build_bart, build_m2m100, build_marian, build_nllb

Pairs = list[tuple[list[str], list[str]]]


def aligner(model: Path, langs: tuple[str, str] = ("en", "de"), **options: Any) -> Any:
    config = AlignConfig(model=str(model), **({"aligner": "simalign", "soft": False} | options))
    return build(plan(config, AlignmentContext(*langs)))


@pytest.mark.parametrize("layer", [0, 1, 3, 4])
def test_a_cut_encoder_gives_the_hidden_state_of_its_layer(bert: Path, layer: int) -> None:
    import torch
    from transformers import AutoModel

    batch = [[2, 17, 25, 30, 3], [2, 40, 3]]
    full = AutoModel.from_pretrained(bert).eval()
    cut = TorchLayers(bert, layer)
    kept = sum(1 for n, _ in cut.encoder.named_modules() if n.startswith("encoder.layer."))
    assert (kept == 0) == (layer == 4 and kept == 0)
    for row in batch:
        with torch.no_grad():
            states = full(torch.tensor([row]), output_hidden_states=True).hidden_states[layer]
        together = cut(batch)[:5] if row == batch[0] else cut(batch)[5:]
        assert torch.allclose(together, states[0], atol=1e-5)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_lower_layer_of_a_translator_is_not_normalised_twice(tmp_path: Path, layer: int) -> None:
    """M2M100 normalises after its last layer; hidden states below it are taken before that."""
    import torch
    from transformers import M2M100Config, M2M100Model

    config = M2M100Config(
        vocab_size=50, d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, init_std=0.3,
    )  # fmt: skip
    torch.manual_seed(3)
    model = M2M100Model(config).eval()
    model.save_pretrained(tmp_path)
    ids = [4, 9, 11, 2]
    with torch.no_grad():
        output = model.get_encoder()(torch.tensor([ids]), output_hidden_states=True)
    expected = output.last_hidden_state if layer == 2 else output.hidden_states[layer]
    assert torch.allclose(TorchLayers(tmp_path, layer)([ids]), expected[0], atol=1e-5)


def test_shared_layers_are_computed_whole(tmp_path: Path) -> None:
    import torch
    from transformers import AlbertConfig, AlbertModel

    config = AlbertConfig(
        vocab_size=50, embedding_size=8, hidden_size=16, num_hidden_layers=3,
        num_attention_heads=2, intermediate_size=32, initializer_range=0.3,
    )  # fmt: skip
    model = AlbertModel(config).eval()
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        states = model(torch.tensor([[2, 7, 8, 3]]), output_hidden_states=True).hidden_states
    assert torch.allclose(TorchLayers(tmp_path, 2)([[2, 7, 8, 3]]), states[2][0], atol=1e-5)


@given(st.lists(st.integers(0, 90), max_size=6), st.integers(1, 25))
def test_windows_take_every_subword_once_and_within_the_limit(
    lengths: list[int], limit: int
) -> None:
    taken = {(s, i): 0 for s, n in enumerate(lengths) for i in range(n)}
    for window in windows(lengths, limit):
        assert window.end - window.start <= limit
        assert 0 <= window.start <= window.first < window.last <= window.end
        for i in range(window.first, window.last):
            taken[window.sentence, i] += 1
    assert set(taken.values()) <= {1}


def test_a_window_gives_what_the_model_makes_of_it(bert: Path) -> None:
    layers = TorchLayers(bert, 2)
    ids = list(range(10, 60))
    subwords = SentenceSubwords(ids, np.arange(len(ids)), np.zeros(len(ids), bool))
    specials = Specials((2,), (3,))
    states = Embedder(layers, 20, 256)(
        [(SentenceSubwords([], np.arange(0), np.zeros(0, bool)), specials), (subwords, specials)]
    )
    assert states.starts == [0, 0, 50]
    for window in windows([50], 20):
        alone = layers([[2, *ids[window.start : window.end], 3]])
        for i in range(window.first, window.last):
            assert np.allclose(states.states[i], alone[i - window.start + 1], atol=1e-5)


@pytest.mark.parametrize("method", ["inter", "match"])
@pytest.mark.parametrize("token_type", ["bpe", "word"])
def test_no_word_is_shifted(bert: Path, made_up: Pairs, token_type: str, method: str) -> None:
    """Words without subwords are unlinked; all other links are as if they were not there."""
    model = aligner(bert, token_type=token_type, method=method)
    for source, target in made_up[:8]:
        (plain,) = model.align([(source, target)])
        at = len(source) // 2
        odd = [*source[:at], "\u200b", *source[at:], "\u200d\u200e"]
        (found,) = model.align([(odd, ["\ufeff", *target])])
        shifted = [(k.source + (k.source >= at), k.target + 1) for k in plain]
        assert [(k.source, k.target) for k in found] == shifted


def test_sentences_beyond_the_limit_are_linked_to_their_end(bert: Path, made_up: Pairs) -> None:
    words = [w for source, _ in made_up for w in source][:400]
    (found,) = aligner(bert, method="inter").align([(words, words)])
    diagonal = sum(k.source == k.target for k in found)
    assert diagonal >= 0.98 * len(words)
    assert max(k.source for k in found) == len(words) - 1


def test_a_word_longer_than_the_limit_and_odd_scripts_are_linked(bert: Path) -> None:
    long = "kaba" * 200
    pair = (["da", long, "漢字", "ру"], ["da", long, "漢字", "ру"])
    (found,) = aligner(bert, method="match", token_type="word").align([pair])
    assert [(k.source, k.target) for k in found] == [(i, i) for i in range(4)]


def test_empty_sides_are_unaligned_and_keep_their_place(bert: Path, made_up: Pairs) -> None:
    model = aligner(bert)
    pairs = [([], []), made_up[0], (["a"], []), ([], ["a"]), (["\u200b"], ["a"]), made_up[1]]
    found = model.align(pairs)
    assert [bool(f) for f in found] == [False, True, False, False, False, True]
    assert found[5] == model.align([made_up[1]])[0]
    assert model.align([]) == []


def test_each_distinct_sentence_is_computed_once(bert: Path, made_up: Pairs) -> None:
    model = aligner(bert)
    seen: list[int] = []
    layers = model._embed.layers

    class Counting:
        device, padded, rows = "cpu", False, None

        def __call__(self, batch: Any) -> Any:
            seen.append(len(batch))
            return layers(batch)

    model._embed.layers = Counting()
    source = made_up[0][0]
    model.align([(source, t) for _, t in made_up[:5]] + [(source, source)])
    assert sum(seen) == 6


def test_progress_adds_up(bert: Path, made_up: Pairs) -> None:
    told: list[int] = []
    aligner(bert).align([*made_up, ([], [])], told.append)
    assert sum(told) == len(made_up) + 1


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_lower_precision_keeps_nearly_all_links(bert: Path, made_up: Pairs, dtype: str) -> None:
    full = aligner(bert).align(made_up)
    low = aligner(bert, dtype=dtype).align(made_up)
    pairs = [
        ({(k.source, k.target) for k in a}, {(k.source, k.target) for k in b})
        for a, b in zip(full, low, strict=True)
    ]
    kept = sum(len(a & b) for a, b in pairs) / sum(len(a) for a, _ in pairs)
    assert kept > (0.9 if dtype == "bfloat16" else 0.6)


def test_soft_links_are_added_below_one_half(bert: Path, made_up: Pairs) -> None:
    hard = aligner(bert).align(made_up)
    soft = aligner(bert, soft=True).align(made_up)
    extra = 0
    for a, b in zip(hard, soft, strict=True):
        assert [k for k in b if k.prob >= 0.5] == a
        assert all(k.prob >= 0.05 for k in b)
        extra += len(b) - len(a)
    assert extra > 0


def test_the_layer_is_checked_when_the_model_is_built(bert: Path) -> None:
    with pytest.raises(ConfigError, match="layer 9 does not exist: .* has 4 layers; allowed: 0"):
        aligner(bert, layer=9)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no config.json"):
        aligner(tmp_path)


def test_the_alignment_layer_goes_by_the_family() -> None:
    mbert = {"hidden_size": 768}
    assert alignment_layer(mbert, 12) == 8
    assert alignment_layer(mbert, 6) == 4
    assert alignment_layer(mbert, 1) == 1
    assert alignment_layer(mbert, 6, translator=True) == 6
    assert alignment_layer({"hidden_size": 384}, 12) == 7
    assert alignment_layer({"hidden_size": 192}, 12) == 8
    assert alignment_layer({"hidden_size": 384, "alignment_layer": 7}, 9) == 7
    assert alignment_layer({"alignment_layer": 7}, 4) == 3


def test_limits_of_model_families() -> None:
    assert max_subwords({"max_position_embeddings": 512}, 512, 2) == 510
    assert max_subwords({"max_position_embeddings": 512}, int(1e30), 2) == 510
    assert max_subwords({"max_position_embeddings": 512}, 128, 2) == 126
    xlmr = {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    assert max_subwords(xlmr, None, 2) == 510


def test_subwords_are_those_of_the_whole_sentence(bert: Path, xlmr: Path, made_up: Pairs) -> None:
    for folder in (bert, xlmr):
        tokenizer = load_tokenizer(folder)
        cut = SubwordCutter(transformers_cut(tokenizer))
        sentences = [source for source, _ in made_up]
        for words, subwords in zip(sentences, cut(sentences), strict=True):
            whole = tokenizer(words, is_split_into_words=True, add_special_tokens=False)
            assert subwords.ids == whole["input_ids"]
            assert subwords.words.tolist() == whole.word_ids()


def test_subwords_of_bytes_are_those_of_running_text(tmp_path: Path) -> None:
    """Such a tokenizer writes the space before a word into its subwords; a list has none."""
    folder = encoder_folder("byte BPE", tmp_path / "encoder")
    (cutter, _), _ = aligner(folder)._sides
    words = ["the", "dog", "sees", "the", "house"]
    whole = load_tokenizer(folder)(" ".join(words), add_special_tokens=False)["input_ids"]
    assert cutter([words])[0].ids == whole


@pytest.mark.parametrize("family", ["marian", "m2m100", "nllb", "bart"])
def test_a_translator_reads_each_side_with_its_language_tokens(
    tmp_path: Path, family: str, made_up: Pairs
) -> None:
    folder = tmp_path / family
    if family == "marian":
        build_marian(folder, tags=(">>de<<", ">>en<<"), pair=None)
    elif family == "m2m100":
        build_m2m100(folder)
    elif family == "bart":
        build_bart(folder)
    else:
        build_nllb(folder)
    model = aligner(folder, aligner="translator")
    assert model.name == "translator"
    (_, source), (_, target) = model._sides
    assert source != target and source.after == target.after and len(source.before) == 1
    tokenizer = load_tokenizer(folder)
    names = tokenizer.convert_ids_to_tokens([source.before[0], target.before[0]])
    expected = {
        "marian": [">>de<<", ">>en<<"],  # Marian is told what to write, not what it reads
        "m2m100": ["__en__", "__de__"],
        "nllb": ["eng_Latn", "deu_Latn"],
        "bart": [">>de<<", ">>en<<"],
    }
    assert names == expected[family]
    found = model.align(made_up[:20])
    assert all(found)
    words = made_up[0][0]
    assert all(0 <= k.source < len(words) for k in found[0])


def test_a_translator_that_lacks_a_language(tmp_path: Path) -> None:
    folder = build_marian(tmp_path / "m", tags=(">>de<<", ">>en<<"), pair=None)
    with pytest.raises(ConfigError, match="'sw'"):
        aligner(folder, ("en", "sw"), aligner="translator")
