"""Zero-shot NER with the encoder that ships against the same architecture with random weights.

    python benchmarks/models/zero_shot.py [--encoder FOLDER] [--run RUN] [--set KEY=VALUE]

Both are fine-tuned on the same English sentences (config `comparison`, arm `zero_shot`: last layer,
no target text), and scored with strict F1 on its test sentences of CoNLL de, es, nl and MasakhaNER
sw. Needs the corpora beside the checkout. `--set` goes to the config.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "ner"
CONFIG, LANGUAGES = "comparison", ("de", "es", "nl", "sw")


def randomise(encoder: Path, folder: Path) -> Path:
    """Write the same architecture and tokenizer with fresh weights."""
    import torch
    from transformers import AutoConfig, AutoModel

    shutil.copytree(encoder, folder)
    torch.manual_seed(1)
    AutoModel.from_config(AutoConfig.from_pretrained(encoder)).save_pretrained(folder)
    return folder


def scores(encoder: Path, args: argparse.Namespace, runs: Path) -> dict[str, dict]:
    """Run the config with one encoder; F1 by language and seed."""
    options = [
        f"name={CONFIG}-{encoder.name}",
        f"data.root={args.data}",
        f"models.encoder={encoder}",
        f"seeds={args.seeds}",
        "arms=[zero_shot]",
        *args.set,
    ]
    command = [str(Path(sys.executable).with_name("run_pipeline")), CONFIG]
    command += [part for option in options for part in ("--set", option)]
    subprocess.run([*command, "--runs-dir", str(runs)], check=True, stdout=subprocess.DEVNULL)
    return read_scores(runs / f"{CONFIG}-{encoder.name}")


def read_scores(run: Path) -> dict[str, dict]:
    """F1 of the arm `zero_shot` in a finished run, by language and seed."""
    found: dict[str, dict] = {}
    with (run / "evaluate/all/scores.csv").open() as file:
        for row in csv.DictReader(file):
            if row["arm"] == "zero_shot" and not row["type"] and row["seed"]:
                found.setdefault(row["lang"], {})[row["seed"]] = 100 * float(row["f1"])
    return found


def main() -> None:
    """Train, and print one line per language."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--encoder", type=Path, default=ROOT / "artifacts/models/encoder")
    parser.add_argument("--run", type=Path, help="a finished run of the config with this encoder")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, nargs="+", default=[13, 14, 15])
    parser.add_argument("--set", action="append", default=[])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        runs = Path(place) / "runs"
        found = {
            "pre-trained": read_scores(args.run)
            if args.run
            else scores(args.encoder.resolve(), args, runs),
            "random": scores(randomise(args.encoder, Path(place) / "random"), args, runs),
        }
    print(f"strict F1, mean ± standard deviation of {len(args.seeds)} seeds")
    print(f"{'':6}{'pre-trained':>16}{'random':>16}{'difference':>12}")
    for lang in [*LANGUAGES, "mean"]:
        cells = []
        for name in found:
            chosen = LANGUAGES if lang == "mean" else [lang]
            by_seed = [
                statistics.mean(found[name][code][str(seed)] for code in chosen)
                for seed in args.seeds
            ]
            spread = statistics.stdev(by_seed) if len(by_seed) > 1 else 0.0
            cells.append((statistics.mean(by_seed), spread))
        line = "".join(f"{mean:9.1f} ± {spread:4.1f}" for mean, spread in cells)
        print(f"{lang:6}{line}{cells[0][0] - cells[1][0]:+12.1f}")


if __name__ == "__main__":
    main()
