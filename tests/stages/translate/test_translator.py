from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, ModelError
from stages.translate.base import Hypothesis
from stages.translate.codes import NOTE
from stages.translate.conversion import UNUSED_DAYS, converted, kept, load_tokenizer
from stages.translate.decoding import ComputeType, DecodingConfig
from stages.translate.splitting import split_text
from stages.translate.subwords import Subwords
from stages.translate.translator import Translator
from tests.tiny.text import sentences
from tests.tiny.translators import greedy

FAMILIES = ["opus-mt-en-de", "multi", "m2m100", "nllb", "mbart50", "madlad", "t5", "bart"]
TEXTS = sentences(30, seed=4)


@pytest.mark.parametrize("family", FAMILIES)
def test_subwords_are_those_of_transformers(models: Path, family: str) -> None:
    from stages.translate.codes import Languages

    direction = Languages(models / family).direction("en", "de")
    subwords = Subwords(models / family, direction)
    tokenizer = load_tokenizer(models / family, direction.family)
    if family == "m2m100":
        tokenizer.src_lang = "en"  # type: ignore[attr-defined]
    elif family == "nllb":
        tokenizer.src_lang = "eng_Latn"  # type: ignore[attr-defined]
    elif family == "mbart50":
        tokenizer.src_lang = "en_XX"  # type: ignore[attr-defined]
    tag = f"{direction.target} " if family in ("multi", "madlad", "t5", "bart") else ""
    told = len(subwords.source([])) - 1 if family in ("m2m100", "madlad", "t5") else 0
    for text, tokens in zip(TEXTS, subwords.cut(TEXTS), strict=True):
        ids = tokenizer(tag + text).input_ids  # type: ignore[operator]
        expected = tokenizer.convert_ids_to_tokens(ids)  # type: ignore[attr-defined]
        assert subwords.source(tokens) == expected
        assert subwords.decode(subwords.source(tokens)[told:]) == text


@pytest.mark.parametrize("family", FAMILIES)
def test_translations_are_those_of_transformers(models: Path, cache: Path, family: str) -> None:
    """Greedy search in float32 gives what ``generate`` gives."""
    import torch
    from transformers import AutoModelForSeq2SeqLM

    config = DecodingConfig(beam_size=1, compute_type="float32", max_output_tokens=12)
    translator = Translator(models / family, "en", "de", config, cache=cache)
    ours = [h[0].text for h in translator.translate(TEXTS[:6])]
    subwords = translator.subwords
    tokenizer = subwords.tokenizer
    model = AutoModelForSeq2SeqLM.from_pretrained(models / family).eval()
    for text, mine in zip(TEXTS[:6], ours, strict=True):
        tokens = subwords.source(subwords.cut([text])[0])
        ids = torch.tensor([tokenizer.convert_tokens_to_ids(tokens)])
        prefix = subwords.prefix
        start = [model.config.decoder_start_token_id]
        start += tokenizer.convert_tokens_to_ids(prefix) if prefix else []
        blocked = [tokenizer.unk_token_id]
        if model.config.model_type == "marian":
            blocked.append(model.config.pad_token_id)
        begun = torch.tensor([start])
        out = greedy(model, blocked, input_ids=ids, decoder_input_ids=begun)[0][len(start) :]
        assert subwords.decode(tokenizer.convert_ids_to_tokens(out.tolist())) == mine


def test_bart_translates_as_transformers_users_have_it(models: Path, cache: Path) -> None:
    """AutoTokenizer, AutoModelForSeq2SeqLM, `generate` and `decode` alone: nothing of ours."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    config = DecodingConfig(beam_size=1, compute_type="float32", max_output_tokens=12)
    translator = Translator(models / "bart", "en", "sw", config, cache=cache)
    tokenizer = AutoTokenizer.from_pretrained(models / "bart")
    model = AutoModelForSeq2SeqLM.from_pretrained(models / "bart").eval()
    given = tokenizer([f">>swa<< {t}" for t in TEXTS[:6]], return_tensors="pt", padding=True)
    inputs = {name: given[name] for name in ("input_ids", "attention_mask")}
    out = greedy(model, [tokenizer.unk_token_id], **inputs)
    theirs = tokenizer.batch_decode(out, skip_special_tokens=True)
    ours = [h[0].text for h in translator.translate(TEXTS[:6])]
    assert ours == [" ".join(text.split()) for text in theirs]
    assert len(set(ours)) > 1


def test_tags_are_subwords_to_bart(models: Path) -> None:
    from stages.translate.codes import Languages

    subwords = Subwords(models / "bart", Languages(models / "bart").direction("en", "de"))
    tokens = subwords.cut(["<a>Anna</a> sleeps"])[0]
    assert [t for t in tokens if "<" in t] == ["\u2581<a>", "\u2581</a>"]
    assert subwords.decode(tokens) == "<a>Anna</a> sleeps"


def test_order_is_kept_whatever_the_lengths(models: Path, cache: Path) -> None:
    texts = [" ".join(TEXTS[i : i + 1 + i % 3]) for i in range(20)]
    config = DecodingConfig(beam_size=1, max_batch_tokens=64, compute_type="float32")
    translator = Translator(models / "opus-mt-en-de", "en", "de", config, cache=cache)
    done: list[int] = []
    together = translator.translate(texts, advance=done.append)
    alone = [translator.translate([t])[0] for t in texts]
    assert [h[0].text for h in together] == [h[0].text for h in alone]
    assert len({h[0].text for h in together}) > 10
    assert sum(done) == len(texts)


def test_n_best_and_scores(models: Path, cache: Path) -> None:
    config = DecodingConfig(beam_size=3, num_hypotheses=3, compute_type="float32")
    translator = Translator(models / "multi", "en", "de", config, cache=cache)
    for hypotheses in translator.translate(TEXTS[:5]):
        scores = [h.score for h in hypotheses]
        assert len(scores) == 3 and scores == sorted(scores, reverse=True)
        assert len({h.text for h in hypotheses}) > 1
    plain = config.model_copy(update={"length_penalty": 0.0, "num_hypotheses": 1, "beam_size": 1})
    mean = config.model_copy(update={"num_hypotheses": 1, "beam_size": 1})
    a, b = (
        Translator(models / "multi", "en", "de", c, cache=cache).translate(TEXTS)
        for c in (plain, mean)
    )
    # The score is a mean per token whatever the penalty in the search.
    assert [h[0].score for h in a] == pytest.approx([h[0].score for h in b], rel=1e-5)


def test_sampling_depends_on_the_seed_alone(models: Path, cache: Path) -> None:
    config = DecodingConfig(beam_size=1, sampling_topk=20, num_hypotheses=4)
    translator = Translator(models / "multi", "en", "sw", config, cache=cache)
    first = translator.translate(TEXTS, seed=1)
    translator.translate(TEXTS[:3], seed=9)  # what came before does not matter
    assert translator.translate(TEXTS, seed=1) == first
    assert translator.translate(TEXTS, seed=2) != first
    assert any(len({h.text for h in hypotheses}) > 1 for hypotheses in first)
    again = Translator(models / "multi", "en", "sw", config, cache=cache)
    assert again.translate(TEXTS, seed=1) == first


def without_scores(results: list[list[Hypothesis]]) -> list[list[Hypothesis]]:
    return [[replace(h, score=None) for h in hypotheses] for hypotheses in results]


def scores(results: list[list[Hypothesis]]) -> list[float | None]:
    return [h.score for hypotheses in results for h in hypotheses]


@pytest.mark.parametrize("topk", [1, 20])
@pytest.mark.parametrize("compute_type", ["int8", "float32"])
def test_threads_do_not_change_the_result(
    models: Path, cache: Path, topk: int, compute_type: ComputeType
) -> None:
    results = []
    for threads in (1, 2):
        config = DecodingConfig(
            beam_size=1, sampling_topk=topk, threads=threads, compute_type=compute_type
        )
        translator = Translator(models / "multi", "en", "de", config, cache=cache)
        results.append(translator.translate(TEXTS, seed=3))
    assert without_scores(results[0]) == without_scores(results[1])
    if compute_type == "int8":
        assert results[0] == results[1]
    # Some processors sum up in another order, which shows in the last digits of float32.
    assert scores(results[0]) == pytest.approx(scores(results[1]), rel=1e-5)


def test_long_inputs_are_split_and_rejoined(models: Path, cache: Path) -> None:
    long = " ".join(sentences(40, seed=8))
    translator = Translator(
        models / "opus-mt-en-de", "en", "de", DecodingConfig(beam_size=1), cache=cache
    )
    assert len(translator.subwords.cut([long])[0]) > 3 * translator.max_input
    whole = translator.translate([TEXTS[0], long, TEXTS[1]])
    sections = split_text(long, translator.max_input, translator._length)
    parts = translator.translate(sections)
    assert whole[1][0].text == " ".join(h[0].text for h in parts if h[0].text)
    assert whole[0] == translator.translate([TEXTS[0]])[0]


def test_long_inputs_may_be_reported_instead(models: Path, cache: Path) -> None:
    config = DecodingConfig(on_long="report", max_input_tokens=20)
    translator = Translator(models / "multi", "en", "de", config, cache=cache)
    results = translator.translate([" ".join(TEXTS), "Bo."])
    assert results[0][0].reason == "too_long" and results[0][0].score is None
    assert results[1][0].score is not None


def test_a_translation_without_an_end_is_reported(models: Path, cache: Path) -> None:
    config = DecodingConfig(beam_size=1, max_output_tokens=3)
    translator = Translator(models / "nllb", "en", "de", config, cache=cache)
    results = translator.translate(TEXTS[:5])
    assert {h[0].reason for h in results} == {"too_long"}
    assert {h[0].tokens for h in results} == {3}


def test_texts_with_nothing_to_translate(models: Path, cache: Path) -> None:
    translator = Translator(models / "multi", "en", "de", cache=cache)
    assert translator.translate([]) == []
    results = translator.translate(["", "  ", "* * *", "—"])
    assert [h[0].reason for h in results] == ["empty_source"] * 4


def test_conversion_is_done_once_and_shared(models: Path, tmp_path: Path) -> None:
    first = converted(models / "multi", "int8", tmp_path)
    stamp = (first / "model.bin").stat().st_mtime_ns
    copy = tmp_path / "copy"
    shutil.copytree(models / "multi", copy)
    assert converted(copy, "int8", tmp_path) == first
    assert (first / "model.bin").stat().st_mtime_ns == stamp
    assert converted(models / "multi", "float32", tmp_path) != first
    # What is converted already is used as it is.
    assert converted(first, "int8", tmp_path) == first
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    assert converted(copy, "int8", tmp_path) != first


def test_what_was_not_used_for_long_is_removed_when_a_model_is_converted(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        folder.mkdir()
        (folder / NOTE).write_text("{}")

    old, used, other = (kept([n], tmp_path, make) for n in ("old", "used", "other"))
    mine = tmp_path / "mine"
    mine.mkdir()
    long_ago = time.time() - (UNUSED_DAYS + 1) * 24 * 3600
    for folder in (old, used, mine):
        os.utime(folder, (long_ago, long_ago))
    assert kept(["used"], tmp_path, make) == used
    assert old.is_dir(), "nothing was made"
    new = kept(["new"], tmp_path, make)
    assert sorted(tmp_path.iterdir()) == sorted([used, other, mine, new])


def test_processes_may_convert_at_once(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rival that finishes first wins; what this process made is thrown away."""
    from stages.translate import conversion

    own = conversion.convert
    rival: list[Path] = []

    def slow(folder: Path, output: Path, quantization: str) -> None:
        own(folder, output, quantization)
        if not rival:
            rival.append(output)  # so that the call below does not recurse
            rival.append(converted(folder, quantization, tmp_path))

    monkeypatch.setattr(conversion, "convert", slow)
    found = converted(models / "opus-mt-en-de", "int8", tmp_path)
    assert found == rival[1] and (found / "model.bin").is_file()
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == [found.name]


def test_a_converted_folder_translates_like_its_checkpoint(models: Path, cache: Path) -> None:
    folder = converted(models / "m2m100", "int8", cache)
    config = DecodingConfig(beam_size=1, max_output_tokens=8)
    a = Translator(folder, "en", "sw", config, cache=cache).translate(TEXTS)
    b = Translator(models / "m2m100", "en", "sw", config, cache=cache).translate(TEXTS)
    assert a == b


def test_foreign_converted_folder_without_our_note(
    models: Path, cache: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "foreign"
    shutil.copytree(converted(models / "multi", "int8", cache), folder)
    (folder / "xlner.json").unlink()
    translator = Translator(folder, "en", "de", cache=cache)
    assert translator.max_input == 64 - 2  # the tokeniser's limit, less the tag and the end
    assert translator.translate(["Bo."])[0][0].score is not None


def test_language_tokens_missing_from_a_saved_m2m100(
    models: Path, cache: Path, tmp_path: Path
) -> None:
    """transformers 5 saves an M2M100 tokeniser without them unless they were listed."""
    folder = tmp_path / "saved"
    shutil.copytree(models / "m2m100", folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("extra_special_tokens")
    config["added_tokens_decoder"] = {
        k: v for k, v in config["added_tokens_decoder"].items() if int(k) < 4
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "added_tokens.json").unlink()
    options = DecodingConfig(beam_size=1, max_output_tokens=8)
    a = Translator(folder, "en", "sw", options, cache=cache).translate(TEXTS)
    assert a == Translator(models / "m2m100", "en", "sw", options, cache=cache).translate(TEXTS)


def test_damaged_weights_are_reported(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(models / "multi", folder)
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="cannot be converted for CTranslate2"):
        Translator(folder, "en", "de", cache=tmp_path / "cache")
    assert [p for p in (tmp_path / "cache").iterdir() if p.is_dir()] == []


def test_unknown_language_is_found_before_conversion(models: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not know 'fr'"):
        Translator(models / "multi", "en", "fr", cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sampling_and_beams_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="needs beam_size 1, not 4"):
        DecodingConfig(sampling_topk=10)
    with pytest.raises(ValueError, match="num_hypotheses 5 is more than beam_size 4"):
        DecodingConfig(num_hypotheses=5)


def test_splitting_prefers_sentences_then_clauses_then_words() -> None:
    def length(text: str) -> int:
        return len(text.split())

    assert split_text("a b c d. e f g h.", 5, length) == ["a b c d.", "e f g h."]
    assert split_text("a b c, d e f", 4, length) == ["a b c,", "d e f"]
    assert split_text("a b c d e f", 3, length) == ["a b c", "d e f"]
    assert split_text("我爱北京。他爱上海。", 6, len) == ["我爱北京。", "他爱上海。"]
    assert "".join(split_text("x" * 50, 7, len)) == "x" * 50
    assert split_text("  ", 3, length) == []
    with pytest.raises(ValueError, match="alone has more than 1"):
        split_text("x", 1, lambda text: 9)


def test_five_thousand_words(models: Path, cache: Path) -> None:
    text = " ".join(w for s in sentences(900, seed=2, longest=12) for w in s.split())
    assert len(text.split()) >= 5000
    config = DecodingConfig(beam_size=1, max_output_tokens=24)
    translator = Translator(models / "opus-mt-en-de", "en", "de", config, cache=cache)
    (hypothesis,) = translator.translate([text])[0]
    assert len(hypothesis.text.split()) > 500
