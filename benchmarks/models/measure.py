"""Measures the encoder and the translator that ship, or any others in their place.

    python benchmarks/models/measure.py [--models FOLDER] [--json FILE] [--cards] [--only PART ...]

Parts: `size`; `translation` (chrF on 400 held-out Tatoeba pairs per language and on LAFAND's
Swahili test, through CTranslate2); `names` (share of the name words of 500 CoNLL dev sentences
found in the translation); `alignment` (alignment error rate on 447 gold English-French pairs, by
layer). Needs the corpora beside the checkout (see configs/build_models.yaml).
"""

from __future__ import annotations

import argparse
import json
import random
import string
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from model_recipes.shared.corpus import load_corpus
from model_recipes.translator.config import TrainTranslatorConfig
from pipeline.config import RunConfig
from pipeline.resources import located
from stages.text_sources import TextPair, TextSource, read_rows
from xlner.api import load_config

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
Result = list[dict[str, Any]]


def held_out_pairs(per_language: int) -> dict[str, list[TextPair]]:
    """Held-out pairs of each language, drawn with seed 1, one per English sentence."""
    config: RunConfig = load_config("build_models")
    options = config.section("train_translator", TrainTranslatorConfig)
    pairs = load_corpus(located(options.corpus, config.config_dir)).held_out
    chosen: dict[str, dict[str, TextPair]] = {}
    for pair in pairs:
        chosen.setdefault(pair.language, {}).setdefault(pair.source, pair)
    return {
        language: random.Random(1).sample(list(by_source.values()), per_language)
        for language, by_source in sorted(chosen.items())
    }


def measure_translation(models: Path, cache_dir: Path) -> Result:
    """ChrF (sacrebleu's default) and BLEU, both directions."""
    from sacrebleu.metrics import BLEU, CHRF

    sets = {
        ("tatoeba held out, 400 pairs", code): pairs for code, pairs in held_out_pairs(400).items()
    }
    lafand = TextSource(
        path=DATA / "parallel/lafand/en-swa/test.tsv", format="tsv", languages=("en", "sw")
    )
    rows = list(read_rows(lafand))
    sets[f"lafand test, {len(rows)} pairs", "sw"] = [TextPair("sw", a, b) for a, b in rows]
    results: Result = []
    for (name, code), pairs in sets.items():
        for source, target in (("en", code), (code, "en")):
            turned = [
                (p.source, p.target) if source == "en" else (p.target, p.source) for p in pairs
            ]
            output = translate(models, source, target, [a for a, _ in turned], cache_dir)
            gold = [[b for _, b in turned]]
            results.append(
                {
                    "test set": name,
                    "direction": f"{source}-{target}",
                    "chrF": round(CHRF().corpus_score(output, gold).score, 1),
                    "BLEU": round(BLEU().corpus_score(output, gold).score, 1),
                }
            )
    return results


def translate(
    models: Path, source: str, target: str, texts: Sequence[str], cache_dir: Path
) -> list[str]:
    """Best hypotheses, with the pipeline's own translator and its default options."""
    from stages.translate.translator import Translator

    translator = Translator(models / "translator", source, target, cache=cache_dir)
    return [hypotheses[0].text for hypotheses in translator.translate(texts)]


def measure_names(models: Path, cache_dir: Path) -> Result:
    """Share of the capitalised words of PER, LOC and ORG that the output holds."""
    from sacremoses import MosesDetokenizer

    from pipeline.config import DataSource
    from pipeline.formats.reading import read_labelled

    path = DATA / "ner/conll/en/dev.txt"
    sentences = [
        s
        for s in read_labelled(DataSource(path=str(path)), "en", path=path)
        if any(span.type in ("PER", "LOC", "ORG") for span in s.spans)
    ]
    chosen = random.Random(1).sample(sentences, 500)
    detokenise = MosesDetokenizer("en").detokenize
    texts = [detokenise(list(s.words)) for s in chosen]
    results: Result = []
    for column, target in enumerate(("de", "es")):
        output = translate(models, "en", target, texts, cache_dir)
        counts: dict[str, list[int]] = {}
        for sentence, text in zip(chosen, output, strict=True):
            found = {bare(word) for word in text.replace("-", " ").split()} | {
                bare(word) for word in text.split()
            }
            for span in sentence.spans:
                for word in sentence.words[span.start : span.end]:
                    # Function words and marks inside names are no names.
                    if not word[0].isupper():
                        continue
                    tally = counts.setdefault(span.type, [0, 0])
                    forms = {bare(word), *exonyms(column).get(bare(word), ())}
                    tally[0] += any(f in found or f + "s" in found for f in forms)
                    tally[1] += 1
        row: dict[str, Any] = {"direction": f"en-{target}"}
        for kind, (kept, total) in sorted(counts.items()):
            row[kind] = round(100 * kept / total, 1)
        kept, total = (sum(c[i] for c in counts.values()) for i in (0, 1))
        row |= {"all": round(100 * kept / total, 1), "words": total}
        results.append(row)
    return results


def bare(word: str) -> str:
    """The word without marks around it and full stops in it, case-folded."""
    return word.strip(string.punctuation + "„“”‘’«»¿¡").replace(".", "").casefold()


@cache
def exonyms(column: int) -> dict[str, set[str]]:
    """Known renderings of English name words: CLDR's places, the rest from exonyms.tsv."""
    import langcodes

    language = ("de", "es")[column]
    known: dict[str, set[str]] = {}
    for line in (Path(__file__).parent / "exonyms.tsv").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            cells = line.split("\t")
            known.setdefault(bare(cells[0]), set()).update(map(bare, cells[1 + column].split()))
    from stages.translate.exonyms import exonyms as cldr

    for english, other in cldr("en", language).places.items():
        if " " not in english:
            known.setdefault(bare(english), set()).update(map(bare, other.split()))
    letters = string.ascii_uppercase
    for territory in (a + b for a in letters for b in letters):
        tag = langcodes.Language.make(territory=territory)
        english, other = tag.territory_name("en"), tag.territory_name(language)
        if "Unknown" in english or english == territory:
            continue
        for word in english.split():
            if word[0].isupper():
                known.setdefault(bare(word), set()).update(
                    bare(w) for w in other.replace("-", " ").split() if w[0].isupper()
                )
    return known


def measure_alignment(models: Path, cache_dir: Path) -> Result:
    """Alignment error rate of both models, every layer, `inter` on subwords and on words."""
    from transformers import AutoConfig, logging

    from pipeline.formats.pharaoh import read_pharaoh
    from stages.align.build import build
    from stages.align.config import AlignConfig
    from stages.align.context import AlignmentContext
    from stages.align.planning import plan
    from stages.align.scoring import score
    from stages.word_alignment.aligner import asserted

    logging.set_verbosity_error()
    folder = DATA / "alignments"
    lines = (folder / "enfr.src-tgt").read_text(encoding="utf-8").splitlines()
    pairs = [(left.split(), right.split()) for left, right in (line.split("|||") for line in lines)]
    gold = list(read_pharaoh(folder / "enfr.gold", base=1))
    around = AlignmentContext("en", "fr", str(models / "encoder"), str(models / "translator"))
    results: Result = []
    for model in ("encoder", "translator"):
        settings = AutoConfig.from_pretrained(models / model)
        depth = settings.num_hidden_layers if model == "encoder" else settings.encoder_layers
        for layer in range(depth + 1):
            for token_type in ("bpe", "word"):
                kinds = ("simalign", "softmax") if model == "encoder" else ("translator",)
                for kind in kinds:
                    config = AlignConfig.model_validate(
                        {"aligner": kind, "layer": layer, "token_type": token_type}
                    )
                    aligner = build(plan(config, around))
                    links = [asserted(links) for links in aligner.align(pairs)]
                    scored = score(links, gold)
                    results.append(
                        {
                            "model": model,
                            "aligner": kind,
                            "layer": layer,
                            "unit": token_type,
                            "precision": round(100 * scored.precision, 1),
                            "recall": round(100 * scored.recall, 1),
                            "AER": round(100 * scored.aer, 1),
                        }
                    )
    return sorted(results, key=lambda row: row["AER"])


def measure_size(models: Path, cache_dir: Path) -> Result:
    """Bytes of all files of both folders."""
    sizes = {
        name: sum(f.stat().st_size for f in (models / name).rglob("*") if f.is_file())
        for name in ("encoder", "translator")
    }
    sizes["together"] = sum(sizes.values())
    return [{"model": name, "MB": round(size / 1e6, 2)} for name, size in sizes.items()]


PARTS: dict[str, Callable[[Path, Path], Result]] = {
    "size": measure_size,
    "translation": measure_translation,
    "names": measure_names,
    "alignment": measure_alignment,
}


def table(rows: Result) -> Iterator[str]:
    """A Markdown table."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(str(row.get(key, "")) for key in columns) + " |"


def write_quality(models: Path, results: dict[str, Result]) -> None:
    """Puts the figures into the models' cards."""
    command = "Printed by `python benchmarks/models/measure.py`.\n"
    best = results["alignment"]
    parts = {
        "translator": [
            "",
            "chrF and BLEU (sacrebleu), beam of 4, int8:",
            "",
            *table(results["translation"]),
            "",
            "Share (%) of the capitalised name words of 500 CoNLL-2003 dev sentences that the "
            "translation holds, exactly or as a known exonym:",
            "",
            *table(results["names"]),
            "",
            "Alignment error rate on 447 English-French pairs (Hansards), best layer of the "
            "encoder half:",
            "",
            *table([row for row in best if row["model"] == "translator"][:1]),
        ],
        "encoder": [
            "",
            "Alignment error rate on 447 English-French pairs (Hansards), the three best of all "
            "layers:",
            "",
            *table([row for row in best if row["model"] == "encoder"][:3]),
        ],
    }
    for name, lines in parts.items():
        card = models / name / "README.md"
        before, _, after = card.read_text(encoding="utf-8").partition("## Measured quality\n")
        _, mark, rest = after.partition("\n## ")
        text = f"{before}## Measured quality\n{command}" + "\n".join(lines) + "\n" + mark + rest
        card.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=ROOT / "artifacts" / "models")
    parser.add_argument("--json", type=Path, help="figures; parts not measured now are kept")
    parser.add_argument("--cards", action="store_true", help="put the figures into the cards")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    arguments = parser.parse_args()
    results: dict[str, Result] = {}
    if arguments.json and arguments.json.exists():
        results = json.loads(arguments.json.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for part in arguments.only:
            results[part] = PARTS[part](arguments.models, Path(folder))
            print(f"\n{part}\n" + "\n".join(table(results[part])), flush=True)
    if arguments.cards:
        write_quality(arguments.models, results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
