"""What the stage costs on top of CTranslate2: our worker beside a bare ``translate_batch``.

The same rows and settings on both sides, runs alternating, model loading excluded. On a machine
that is busy with other things, the processor time tells more than the time. Two bare sides:

- ``batch``: the call of ``translate_batch`` alone, on tokens that are already there;
- ``script``: what a script around it does at least: the tokeniser's ``encode``, ``translate_batch``
  and ``decode``.

Our worker reads an Arrow table, detokenises, encodes, translates, decodes, splits into words, and
builds the output table. With ``--sampling`` it is the maker ``translation`` of ``synthesize``, the
quality gate included, and the goal is a rate of at least 0.9 of the bare one.

    python benchmarks/translate/overhead.py MODEL --target de --conll FILE --rows 600
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.timing import alternate, ratios

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, help="checkpoint or converted folder")
    parser.add_argument("--source", default="en")
    parser.add_argument("--target", default="de")
    parser.add_argument("--conll", type=Path, help="CoNLL file; default: the shipped sample")
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--sampling", action="store_true", help="time the maker of synthesize")
    arguments = parser.parse_args()

    from stages.synthesize.makers.translation import SamplingConfig
    from stages.translate.decoding import DecodingConfig
    from stages.translate.translator import Translator

    path = arguments.conll or ROOT / "artifacts" / "sample" / arguments.source / "train.conll"
    sentences = read(path)[: arguments.rows]
    config = SamplingConfig() if arguments.sampling else DecodingConfig()
    translator = Translator(arguments.model, arguments.source, arguments.target, config)
    ours = maker(translator, sentences) if arguments.sampling else worker(translator, sentences)
    batch, script = bare(translator, sentences)

    sides = {"ours": ours, "batch": batch, "script": script}
    measured = alternate(sides, arguments.runs)
    times = {name: measured[name].wall for name in sides}
    work = {name: measured[name].cpu for name in sides}
    print(f"{len(sentences)} sentences of {path.name}, {arguments.runs} alternating runs")
    print(f"{'':8}{'median s':>10}{'min':>8}{'max':>8}{'sentences/s':>13}{'processor s':>13}")
    for name, values in times.items():
        middle = statistics.median(values)
        print(
            f"{name:8}{middle:10.3f}{min(values):8.3f}{max(values):8.3f}"
            f"{len(sentences) / middle:13.0f}{statistics.median(work[name]):13.3f}"
        )
    for name in ("batch", "script"):
        print(
            f"ours / {name}: time {statistics.median(ratios(times['ours'], times[name])):.3f}, "
            f"processor time {statistics.median(ratios(work['ours'], work[name])):.3f} (medians)"
        )


def read(path: Path) -> list[list[str]]:
    """Return the words of each sentence of a CoNLL file (word first, tag last)."""
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    lines = ([x.split() for x in b.split("\n") if x.strip()] for b in blocks)
    return [[x[0] for x in b if x] for b in lines if b]


def worker(translator: Any, sentences: list[list[str]]) -> Callable[[], object]:
    from pipeline.schema import Sentence, table
    from pipeline.stage import Part
    from stages.translate.config import TranslateConfig
    from stages.translate.worker import TranslateWorker

    rows = [
        Sentence(f"s{i}", translator.source, words).to_row() for i, words in enumerate(sentences)
    ]
    data = table("labelled", rows)
    call = TranslateWorker(translator, translator.source, translator.target, TranslateConfig())
    return lambda: call({"source": data}, Part(0, 1))


def maker(translator: Any, sentences: list[list[str]]) -> Callable[[], object]:
    from pipeline.schema import Sentence
    from stages.synthesize.config import GateConfig
    from stages.synthesize.gate import Gate, Measures
    from stages.synthesize.makers.base import TextRequest
    from stages.synthesize.makers.translation import TranslationMaker
    from stages.synthesize.overlap import EvaluationIndex

    source = [Sentence(f"s{i}", translator.source, words) for i, words in enumerate(sentences)]
    count = len(sentences) * translator.config.num_hypotheses
    request = TextRequest(translator.target, translator.source, count, 1, source)
    evaluation = EvaluationIndex(sentences[:200])
    measures = Measures(translator.target, GateConfig(), evaluation)
    made_by = TranslationMaker(translator, chunk_size=count, measure=measures)

    def call() -> object:
        gate = Gate(translator.target, GateConfig(), evaluation)
        return gate.judge_all(made_by.make(request, 0), "translation")

    return call


def bare(
    translator: Any, sentences: list[list[str]]
) -> tuple[Callable[[], object], Callable[[], object]]:
    import ctranslate2

    config = translator.config
    model = ctranslate2.Translator(
        str(translator.folder),
        compute_type=config.compute_type,
        inter_threads=1,
        intra_threads=translator.threads,
    )
    subwords = translator.subwords
    tokenizer = subwords.tokenizer
    texts = [" ".join(words) for words in sentences]
    tokens = [subwords.source(p) for p in subwords.cut(texts)]
    longest = max(map(len, tokens))
    if longest > translator.max_input:
        raise SystemExit(f"a sentence of {longest} tokens: bare CTranslate2 would not split it")
    prefix = subwords.prefix

    def translate(batch: list[list[str]]) -> Any:
        return model.translate_batch(
            batch,
            target_prefix=[prefix] * len(batch) if prefix else None,
            max_batch_size=config.max_batch_tokens,
            batch_type="tokens",
            max_input_length=0,
            beam_size=config.beam_size,
            num_hypotheses=config.num_hypotheses,
            sampling_topk=config.sampling_topk,
            sampling_temperature=config.sampling_temperature,
            max_decoding_length=translator.max_output,
            disable_unk=True,
            return_scores=True,
        )

    def script() -> object:
        tag = f"{subwords.direction.target} " if len(subwords.source([])) == 2 else ""
        ids = [tokenizer.encode(tag + t) for t in texts]
        results = translate([tokenizer.convert_ids_to_tokens(i) for i in ids])
        return [
            tokenizer.decode(tokenizer.convert_tokens_to_ids(h), skip_special_tokens=True).split()
            for r in results
            for h in r.hypotheses
        ]

    return (lambda: translate(tokens)), script


if __name__ == "__main__":
    main()
