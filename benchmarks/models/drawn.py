"""Prints translations of the default run, drawn at random by a seed, none chosen.

    python -m benchmarks.models.drawn [--seed 1] [--count 20] [--runs-dir artifacts/runs]

Reads what `run_pipeline` stored; where there is no such run, the drawn sentences are translated
now, as the stage would. Prints a table in Markdown: language, source, translation.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from benchmarks.models.measure import ROOT
from benchmarks.models.translator import LANGUAGES, Measured, _sample
from stages.translate.config import TranslateConfig


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--runs-dir", type=Path, default=ROOT / "artifacts/runs")
    arguments = parser.parse_args()
    sentences = {s.id: s for s in _sample(None)}
    rng = random.Random(arguments.seed)
    # As many of each language, in the order of the languages.
    drawn = {
        code: rng.sample(sorted(sentences), arguments.count // len(LANGUAGES)) for code in LANGUAGES
    }
    print("| to | source | translation |\n|---|---|---|")
    for code, ids in drawn.items():
        found = stored(arguments.runs_dir / "default/translate" / code)
        if not found:
            with tempfile.TemporaryDirectory() as folder:
                model = Measured(ROOT / "artifacts/models/translator", Path(folder), None)
                made = model.sentences(code, [sentences[k] for k in ids], TranslateConfig())
            found = {row["source_id"]: row["text"] for row in made}
        for k in ids:
            cells = (code, " ".join(sentences[k].words), found[k])
            print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")


def stored(folder: Path) -> dict[str, str]:
    """Return the best translations of a run by the ids of their sources."""
    import pyarrow.parquet as pq

    found = {}
    for file in sorted(folder.glob("*.parquet")):
        for row in pq.read_table(file, columns=["source_id", "rank", "text"]).to_pylist():
            if row["rank"] == 0:
                found[row["source_id"]] = row["text"]
    return found


if __name__ == "__main__":
    main()
