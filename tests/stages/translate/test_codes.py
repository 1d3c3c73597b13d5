from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, ModelError
from pipeline.languages import alpha3, canonical
from stages.translate.codes import (
    Languages,
    TranslationDirection,
    direction_problem,
    opus_pair,
    table,
)
from tests.tiny.translators import build_bart


def test_every_code_of_the_families_is_reachable_from_iso() -> None:
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as M2M100
    from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB

    rows = table()
    assert all(canonical(code) == code for code in rows)
    assert {r.nllb for r in rows.values()} - {""} <= set(NLLB)
    assert {r.m2m100 for r in rows.values()} - {""} == set(M2M100["m2m100"])
    # Of languages in two scripts, the table names one.
    assert {c.split("_")[0] for c in NLLB} == {r.nllb.split("_")[0] for r in rows.values()} - {""}


def test_iso_639_1_stays_and_the_script_of_an_old_code(models: Path) -> None:
    codes = {"tl": "tgl", "tw": "twi", "ak": "aka", "sh": "srp", "prs": "fas", "fil": "tgl"}
    assert {code: alpha3(code) for code in codes} == codes
    assert [canonical(c) for c in ("tgl", "fil", "twi", "aka")] == ["tl", "tl", "tw", "ak"]
    assert [canonical(c) for c in ("sh", "hbs", "sh-Cyrl", "prs")] == [
        *("sr-Latn", "sr-Latn", "sr", "fa-AF")
    ]
    nllb = Languages(models / "nllb")
    assert [nllb.code(c) for c in ("prs", "fa", "tw", "ak")] == [
        *("prs_Arab", "pes_Arab", "twi_Latn", "aka_Latn")
    ]


@pytest.mark.parametrize(
    ("lang", "nllb", "m2m100"),
    [
        ("de", "deu_Latn", "de"), ("swa", "swh_Latn", "sw"), ("zh", "zho_Hans", "zh"),
        ("nso", "nso_Latn", "ns"), ("tl", "tgl_Latn", "tl"), ("lv", "lvs_Latn", "lv"),
        ("mg", "plt_Latn", "mg"), ("ps", "pbt_Arab", "ps"), ("fa", "pes_Arab", "fa"),
    ],
)  # fmt: skip
def test_codes_by_family(models: Path, lang: str, nllb: str, m2m100: str) -> None:
    assert Languages(models / "nllb").direction("en", lang) == TranslationDirection(
        "nllb", "eng_Latn", nllb
    )
    assert Languages(models / "m2m100").direction("en", lang) == TranslationDirection(
        "m2m100", "en", m2m100
    )


@pytest.mark.parametrize(
    ("lang", "mbart50"), [("de", "de_DE"), ("swa", "sw_KE"), ("tl", "tl_XX"), ("zh", "zh_CN")]
)
def test_codes_of_mbart50(models: Path, lang: str, mbart50: str) -> None:
    languages = Languages(models / "mbart50")
    assert languages.direction("en", lang) == TranslationDirection("mbart50", "en_XX", mbart50)
    assert len(languages.available()) == 52
    with pytest.raises(ConfigError, match="does not know 'yo'"):
        languages.direction("en", "yo")


def test_every_code_of_mbart50_is_known(models: Path) -> None:
    from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES

    languages = Languages(models / "mbart50")
    assert {languages.code(lang) for lang in languages.available()} == set(FAIRSEQ_LANGUAGE_CODES)


def test_language_tokens_of_bart(models: Path, tmp_path: Path) -> None:
    languages = Languages(models / "bart")
    assert languages.direction("en", "swa") == TranslationDirection("bart", None, ">>swa<<")
    assert languages.available() == ["de", "en", "sw"]
    with pytest.raises(ConfigError, match="does not know 'fr'; available: de, en, sw"):
        languages.direction("en", "fr")
    build_bart(tmp_path / "bart", tags=())
    with pytest.raises(ModelError, match="language tokens such as >>de<<; this has none"):
        Languages(tmp_path / "bart")


def test_prefixes_of_madlad_are_found_in_the_vocabulary(models: Path) -> None:
    languages = Languages(models / "madlad")
    assert languages.direction("fr", "swa") == TranslationDirection("t5", None, "<2sw>")
    assert languages.direction("en", "zh-Latn").target == "<2zh_Latn>"
    assert languages.available() == ["de", "en", "sw", "zh-Latn"]
    with pytest.raises(ConfigError, match=r"does not know 'fr'; available: de, en, sw, zh-Latn"):
        languages.direction("en", "fr")


def test_prefixes_of_t5_are_its_tasks(models: Path) -> None:
    languages = Languages(models / "t5", "t5-small")
    assert languages.direction("en", "de").target == "translate English to German:"
    assert languages.available() == ["de", "fr"]
    with pytest.raises(ConfigError, match="t5-small does not translate de to en; it does: en-de, "):
        languages.direction("de", "en")


def test_a_t5_that_translates_nothing_is_refused(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "t5", tmp_path / "t5")
    (tmp_path / "t5" / "config.json").write_text(json.dumps({"model_type": "t5"}))
    with pytest.raises(ModelError, match="is a translator if its vocabulary has tags such as <2de"):
        Languages(tmp_path / "t5")


def test_mbart25_is_refused(tmp_path: Path) -> None:
    config = {"model_type": "mbart", "tokenizer_class": "MBartTokenizer"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="model type 'mbart' is not a translator that is support"):
        Languages(tmp_path)


@pytest.mark.parametrize(("lang", "code"), [("yo", "yor_Latn"), ("bm", "bam_Latn")])
def test_languages_that_only_nllb_knows(models: Path, lang: str, code: str) -> None:
    assert Languages(models / "nllb").code(lang) == code


def test_every_row_works_with_the_tokenisers(models: Path) -> None:
    nllb, m2m100 = Languages(models / "nllb"), Languages(models / "m2m100")
    for lang, row in table().items():
        if row.nllb:
            assert nllb.direction("en", lang).target == row.nllb
        if row.m2m100:
            assert m2m100.direction("en", lang).target == row.m2m100


def test_marian_tags_are_found_in_the_vocabulary(models: Path) -> None:
    languages = Languages(models / "multi")
    assert [languages.direction("en", x).target for x in ("de", "sw", "zh")] == [
        ">>de<<", ">>swa<<", ">>cmn_Hans<<",
    ]  # fmt: skip
    assert languages.available() == ["de", "en", "sw", "zh"]


def test_a_language_the_model_lacks_names_what_there_is(models: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not know 'fr'; available: de, en, sw, zh"):
        Languages(models / "multi").direction("en", "fr")
    with pytest.raises(
        ConfigError, match=r"multi does not know 'lb' \(the closest that it does is 'de'"
    ):
        Languages(models / "multi", "multi").direction("en", "lb")


def test_a_single_pair_refuses_another_direction(models: Path) -> None:
    languages = Languages(models / "opus-mt-en-de", "x/opus-mt-en-de")
    assert languages.direction("en", "de") == TranslationDirection("marian", None, None)
    with pytest.raises(ConfigError, match="translates en to de, not en to es"):
        languages.direction("en", "es")
    with pytest.raises(ConfigError, match="translates en to de, not de to en"):
        languages.direction("de", "en")


def test_hub_names_are_judged_before_download() -> None:
    assert opus_pair("Helsinki-NLP/opus-mt-en-sw") == ("en", "sw")
    assert opus_pair("Helsinki-NLP/opus-mt-en-mul") is None
    assert opus_pair("Helsinki-NLP/opus-mt-en-ROMANCE") is None
    assert direction_problem("Helsinki-NLP/opus-mt-en-de", None, "en", "de") is None
    problem = direction_problem("Helsinki-NLP/opus-mt-en-de", None, "en", "es")
    assert problem == "Helsinki-NLP/opus-mt-en-de translates en to de, not en to es"
    assert direction_problem("facebook/nllb-200-distilled-600M", None, "en", "bm") is None
    mbart = "facebook/mbart-large-50-many-to-many-mmt"
    assert direction_problem(mbart, None, "en", "sw") is None
    problem = direction_problem(mbart, None, "en", "yo")
    assert problem is not None and "does not know 'yo'" in problem
    problem = direction_problem("facebook/m2m100_418M", None, "en", "bm")
    assert problem is not None and "does not know 'bm'" in problem


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="model type 'bert' is not a translator"):
        Languages(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "marian"}))
    with pytest.raises(ModelError, match=r"tokeniser files missing: vocab.json, source.spm"):
        Languages(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"add_source_bos": False}))
    with pytest.raises(ModelError, match="needs the tokeniser files of its checkpoint beside"):
        Languages(tmp_path)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("zh-Hant", "zh-Hant"),
        ("zh_TW", "zh-Hant"),
        ("zho_Hant", "zh-Hant"),
        ("zh-Hans", "zh"),
        ("zh-CN", "zh"),
        ("sr-Latn", "sr-Latn"),
        ("sr_Cyrl", "sr"),
        ("pt-BR", "pt"),
        ("pt-PT", "pt-PT"),
        ("en-GB", "en-GB"),
        ("EN-us", "en"),
        ("swh-Latn", "sw"),
        ("und", "und"),
    ],
)
def test_scripts_and_regions(code: str, expected: str) -> None:
    assert canonical(code) == expected and canonical(expected) == expected


@pytest.mark.parametrize("code", ["zz-Hant", "zh-Abcd", "zh-hant-foo", "english", "d", "-", "de-"])
def test_what_is_no_language_is_refused(code: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(repr(code))):
        canonical(code)


def test_variants_reach_the_translators_that_know_them(tmp_path: Path) -> None:
    nllb = folder(tmp_path / "n", "NllbTokenizer", ["eng_Latn", "zho_Hans", "zho_Hant", "srp_Cyrl"])
    known = Languages(nllb)
    assert known.code("zh-Hant") == "zho_Hant" and known.code("zh-TW") == "zho_Hant"
    assert known.code("zh") == known.code("zh-CN") == "zho_Hans"
    assert known.code("sr-Cyrl") == "srp_Cyrl" and known.code("sr-Latn") is None
    assert known.code("en-GB") == "eng_Latn"
    assert "zh-Hant" in known.available()
    with pytest.raises(ConfigError, match="does not know 'sr-Latn'"):
        known.direction("en", "sr-Latn")
    m2m = folder(tmp_path / "m", "M2M100Tokenizer", ["__en__", "__zh__", "__pt__"])
    assert Languages(m2m).code("zh-Hant") is None and Languages(m2m).code("pt-PT") == "pt"
    marian = folder(
        tmp_path / "o", "MarianTokenizer", [">>cmn_Hant<<", ">>cmn_Hans<<", ">>srp_Latn<<"]
    )
    assert Languages(marian).code("zh-Hant") == "cmn_Hant"
    assert Languages(marian).code("sr-Latn") == "srp_Latn"


def test_names_of_the_hub_are_checked_with_variants() -> None:
    name = "facebook/nllb-200-distilled-600M"
    assert direction_problem(name, None, "en", "zh-Hant") is None
    assert "'sr-Latn'" in (direction_problem(name, None, "en", "sr-Latn") or "")
    assert direction_problem("facebook/m2m100_418M", None, "en-GB", "pt-PT") is None
    assert "'zh-Hant'" in (direction_problem("facebook/m2m100_418M", None, "en", "zh-Hant") or "")
    assert direction_problem("Helsinki-NLP/opus-mt-en-de", None, "en-GB", "de-AT") is None
    assert direction_problem("Helsinki-NLP/opus-mt-en-sr", None, "en", "sr-Latn") is not None


def folder(path: Path, kind: str, tokens: list[str]) -> Path:
    """The tokeniser files that languages are read from, without a model."""
    path.mkdir()
    named = {"additional_special_tokens": tokens, "tokenizer_class": kind}
    for name, content in (
        ("tokenizer_config.json", named),
        ("vocab.json", {t: i for i, t in enumerate(tokens)}),
        ("tokenizer.json", {}),
    ):
        (path / name).write_text(json.dumps(content))
    for name in ("source.spm", "target.spm", "sentencepiece.bpe.model"):
        (path / name).touch()
    return path
