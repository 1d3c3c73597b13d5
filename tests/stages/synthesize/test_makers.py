from __future__ import annotations

from pathlib import Path

import pytest
from transformers import BertConfig

from pipeline.errors import ModelError
from pipeline.schema import Sentence, Span
from stages.synthesize.config import SynthesizeConfig
from stages.synthesize.makers.base import Maker, TextRequest
from stages.synthesize.makers.generation import GenerationMaker, describe
from stages.synthesize.makers.generation_options import GenerationConfig
from stages.synthesize.makers.infilling import InfillingConfig, InfillingMaker, MaskedModel
from stages.synthesize.makers.language_models import (
    CTranslate2Model,
    convert_language_model,
    load_language_model,
)
from stages.synthesize.makers.substitution import SubstitutionConfig, SubstitutionMaker
from stages.synthesize.makers.translation import SamplingConfig, TranslationMaker
from stages.translate.translator import Translator
from tests.stages.synthesize.conftest import projected
from tests.tiny.encoders import BERT, save, tokenizer_of, wrapped
from tests.tiny.text import sentences


def _request(count: int, seed: int = 1, **keys: object) -> TextRequest:
    return TextRequest("de", "en", count, seed, **keys)  # type: ignore[arg-type]


def _source(count: int) -> list[Sentence]:
    return [Sentence(f"s{i}", "en", t.split()) for i, t in enumerate(sentences(count, seed=3))]


def _all(maker: Maker, request: TextRequest) -> list:
    return [m for c in range(maker.chunks(request)) for m in maker.make(request, c)]


def test_translation_uses_every_source_before_any_twice(translator: Path) -> None:
    config = SamplingConfig(num_hypotheses=2)
    maker = TranslationMaker(Translator(translator, "en", "de", config), chunk_size=8)
    request = _request(30, source=_source(10))
    made = _all(maker, request)
    assert len(made) == 30
    uses = [made[i].source_id for i in range(0, 30, 2)]
    assert len(set(uses[:10])) == 10 and uses[10:] == uses[:5]
    assert made == _all(maker, request)
    # A chunk does not depend on those before it.
    assert maker.make(request, 2) == made[16:24]
    other = _all(maker, _request(30, seed=2, source=_source(10)))
    assert [m.words for m in other] != [m.words for m in made]
    for item in made:
        assert "translation" in item.scores
        assert (item.reason is None) == bool(item.words)
        assert ("length_ratio" in item.scores) == bool(item.words)


def test_substitution_keeps_types_and_spans() -> None:
    maker = SubstitutionMaker()
    maker.chunk_size = 25
    sources = {s.id: s for s in projected()}
    request = _request(80, projected=list(sources.values()))
    made = _all(maker, request)
    assert len(made) == 80 and made == _all(maker, request)
    entities = {
        (s.type, tuple(x.words[s.start : s.end])) for x in sources.values() for s in x.spans
    }
    for item in made:
        source = sources[str(item.source_id)]
        assert [s.type for s in item.spans] == ["PER", "LOC"]
        for span in item.spans:
            assert (span.type, tuple(item.words[span.start : span.end])) in entities
        assert item.words != source.words
        # Context words are those of the source.
        outside = [w for i, w in enumerate(item.words) if not _in(i, item.spans)]
        assert outside == [w for i, w in enumerate(source.words) if not _in(i, source.spans)]


def _in(index: int, spans: list[Span]) -> bool:
    return any(s.start <= index < s.end for s in spans)


def test_substitution_with_gazetteer_casing_and_script() -> None:
    words = ["PRESS", "DIGEST", "ROM", "NEWS"]
    headline = Sentence("a", "de", words, [Span(2, 3, "LOC")])
    maker = SubstitutionMaker(gazetteers={"LOC": [("Bad", "Homburg")]})
    (made,) = maker.make(_request(1, projected=[headline]), 0)
    assert made.words == ["PRESS", "DIGEST", "BAD", "HOMBURG", "NEWS"]
    assert made.spans == [Span(2, 4, "LOC")]
    maker = SubstitutionMaker(gazetteers={"LOC": [("Москва",)], "PER": [("Karl",)]})
    # Nothing of the same type in the same script: nothing is made.
    assert maker.make(_request(3, projected=[headline]), 0) == []
    quiet = Sentence("b", "de", ["In", "Rom", "."], [Span(1, 2, "LOC")])
    maker = SubstitutionMaker(gazetteers={"LOC": [("DRESDEN",)]})
    (made,) = maker.make(_request(1, projected=[quiet]), 0)
    assert made.words == ["In", "Dresden", "."]


def test_substitution_may_leave_unsure_spans_alone() -> None:
    maker = SubstitutionMaker(SubstitutionConfig(min_score=0.85))
    for item in maker.make(_request(10, projected=projected()), 0):
        assert [s.type for s in item.spans] == ["PER"]


def test_infilling_changes_context_only(masked_model: Path) -> None:
    model = MaskedModel(masked_model)
    maker = InfillingMaker(model, InfillingConfig(share=0.4, batch_size=4))
    maker.chunk_size = 10
    sources = {s.id: s for s in projected()}
    request = _request(20, projected=list(sources.values()))
    made = _all(maker, request)
    assert len(made) == 20 and made == _all(maker, request)
    for item in made:
        source = sources[str(item.source_id)]
        assert item.spans == source.spans and len(item.words) == len(source.words)
        changed = [
            i for i, (a, b) in enumerate(zip(item.words, source.words, strict=True)) if a != b
        ]
        assert len(changed) == item.scores["replaced"] > 0
        assert not any(_in(i, source.spans) for i in changed)
        for i in changed:
            assert item.words[i].isalpha()
            assert item.words[i][0].isupper() == source.words[i][0].isupper()
    # Sentences beyond the model's positions are passed over, not cut.
    long = Sentence("l", "de", ["der"] * 60, [Span(0, 1, "PER")])
    assert maker.make(_request(1, projected=[long]), 0) == []


def test_infilling_by_subwords_of_bytes_writes_words(tmp_path: Path) -> None:
    words = ["Дети", "видели", "большой", "старый", "дом", "рядом", "Иван", "живёт", "Москве"]
    tokenizer = wrapped(tokenizer_of("byte BPE", [" ".join(words)] * 9, 600, BERT), 64)
    shape = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    folder = save(tmp_path, shape, tokenizer, head="AutoModelForMaskedLM")
    source = Sentence("a", "ru", [*words[:6], "Иван"], [Span(6, 7, "PER")])
    made = InfillingMaker(MaskedModel(folder)).make(_request(20, projected=[source]), 0)
    assert all(any(w.startswith(s) for w in words) for m in made for s in m.words)
    assert any(m.words != source.words for m in made)


def test_pseudo_perplexity(masked_model: Path) -> None:
    model = MaskedModel(masked_model)
    assert 1 < model.pseudo_perplexity(["der", "Minister", "kam"]) < 1000
    assert model.pseudo_perplexity(["der"] * 100) > 1


def test_generation_reads_one_line_and_finds_the_entities(causal_model: Path) -> None:
    config = GenerationConfig(model="x", shots=2, max_new_tokens=12, batch_size=3)
    maker = GenerationMaker(causal_model, config)
    request = _request(7, projected=projected(10))
    made = _all(maker, request)
    assert len(made) == 7 and made == _all(maker, request)
    for item in made:
        assert item.reason is not None or item.words
    from stages.synthesize.makers.generation import _read

    asked = Sentence(
        "a", "de", ["Anna", "Lee", "in", "Ulm"], [Span(0, 2, "PER"), Span(3, 4, "LOC")]
    )
    assert describe(asked, "de") == "PER: Anna Lee | LOC: Ulm"
    read = _read(asked, "\n In Ulm wohnt Anna Lee.\nPER: x", "de")
    assert read.words == ["In", "Ulm", "wohnt", "Anna", "Lee", "."]
    assert read.spans == [Span(1, 2, "LOC"), Span(3, 5, "PER")]
    assert read.scores == {"entities_found": 1.0}
    assert _read(asked, " \n", "de").reason == "empty_translation"


def test_prompts_leave_room_for_the_answer(causal_model: Path) -> None:
    config = GenerationConfig(model="x", shots=50, max_new_tokens=100)
    maker = GenerationMaker(causal_model, config)
    shots = projected(50)
    prompt = maker._prompt(shots, shots[0], "de")
    assert maker._model.size(prompt) <= 156
    assert prompt.endswith(f"{describe(shots[0], 'de')} =>") and "\n" in prompt


def test_models_of_the_wrong_kind(translator: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a masked language model"):
        MaskedModel(translator)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="not a generative language model"):
        GenerationMaker(tmp_path, GenerationConfig(model="x"))


def test_weights_share_out_the_sentences() -> None:
    config = SynthesizeConfig(sentences=100, weights={"translation": 3, "substitution": 1})
    assert config.makers == {"translation": 75, "substitution": 25}
    assert SynthesizeConfig(weights={"translation": 0}).makers == {}
    with pytest.raises(ValueError, match="needs generation.model"):
        SynthesizeConfig(weights={"generation": 1})
    with pytest.raises(ValueError, match="cannot be negative"):
        SynthesizeConfig(weights={"translation": -1})
    assert "threads" not in config.identity()["translation"]  # type: ignore[operator]


@pytest.mark.parametrize("compute_type", ["float32", "int8"])
def test_generation_through_ctranslate2(causal_model: Path, compute_type: str) -> None:
    config = GenerationConfig(
        model="x",
        backend="ctranslate2",
        compute_type=compute_type,  # type: ignore[arg-type]
        shots=2,
        max_new_tokens=12,
        batch_size=3,
    )
    maker = GenerationMaker(causal_model, config)
    assert isinstance(maker._model, CTranslate2Model)
    assert maker._model.limit == 256 and not maker._model.encoder_decoder
    request = _request(7, projected=projected(10))
    made = _all(maker, request)
    assert len(made) == 7 and made == _all(maker, request)
    assert any(m.words for m in made)
    other = _all(maker, _request(7, seed=2, projected=projected(10)))
    assert [m.words for m in other] != [m.words for m in made]


def test_both_libraries_continue_a_prompt_alike(causal_model: Path) -> None:
    """With one choice left there is nothing to sample: the greedy continuation is the same."""
    prompts = ["PER: Anna Lee =>", "LOC: Ulm | PER: Otto =>", "x"]
    texts = [
        load_language_model(
            causal_model,
            GenerationConfig(
                backend=backend,  # type: ignore[arg-type]
                compute_type="float32",
                topk=1,
                max_new_tokens=8,
            ),
        ).generate(prompts, 1, lambda n: None)
        for backend in ("transformers", "ctranslate2")
    ]
    assert texts[0] == texts[1] and any(texts[0])


def test_an_encoder_decoder_model_is_converted_too(tmp_path: Path, causal_model: Path) -> None:
    import torch
    from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

    tokenizer = AutoTokenizer.from_pretrained(causal_model)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(tmp_path)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=0,
    )
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    how = {"model": "x", "shots": 1, "max_new_tokens": 8, "batch_size": 4}
    for backend in ("transformers", "ctranslate2"):
        options = GenerationConfig(**how, backend=backend)  # type: ignore[arg-type]
        maker = GenerationMaker(tmp_path, options)
        assert maker._model.encoder_decoder
        assert len(_all(maker, _request(5, projected=projected(10)))) == 5


def test_a_converted_model_is_recognised(causal_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "converted"
    convert_language_model(causal_model, folder, "int8")
    config = GenerationConfig(model="x", max_new_tokens=4)
    assert isinstance(load_language_model(folder, config), CTranslate2Model)
    assert not isinstance(load_language_model(causal_model, config), CTranslate2Model)
    with pytest.raises(ModelError, match="does not run in transformers"):
        load_language_model(folder, config.model_copy(update={"backend": "transformers"}))
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelError, match="without its tokeniser's files"):
        load_language_model(folder, config)
