"""Zero-shot NER with the encoder that ships against the same architecture with random weights.

    python benchmarks/models/zero_shot.py [--encoder FOLDER] [--seeds 13 14 15] [--set KEY=VALUE]

Both are fine-tuned on the same English sentences (configs `conll` and `masakhaner2`, arm
`zero_shot`: last layer, no target text), and scored with strict F1 on CoNLL de, es, nl and on
MasakhaNER sw. Needs the corpora beside the checkout. `--set` goes to both configs.
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
CONFIGS = {"conll": ("de", "es", "nl"), "masakhaner2": ("sw",)}


def randomise(encoder: Path, folder: Path) -> Path:
    """Write the same architecture and tokenizer with fresh weights."""
    import torch
    from transformers import AutoConfig, AutoModel

    shutil.copytree(encoder, folder)
    torch.manual_seed(1)
    AutoModel.from_config(AutoConfig.from_pretrained(encoder)).save_pretrained(folder)
    return folder


def scores(config: str, encoder: Path, args: argparse.Namespace, runs: Path) -> dict[str, dict]:
    """Run a config with one encoder; F1 by language and seed."""
    options = [
        f"name={config}-{encoder.name}",
        f"data.root={args.data}",
        f"models.encoder={encoder}",
        f"seeds={args.seeds}",
        "arms=[zero_shot]",
        *args.set,
    ]
    command = [str(Path(sys.executable).with_name("run_pipeline")), config]
    command += [part for option in options for part in ("--set", option)]
    subprocess.run([*command, "--runs-dir", str(runs)], check=True, stdout=subprocess.DEVNULL)
    found: dict[str, dict] = {}
    with (runs / f"{config}-{encoder.name}/evaluate/all/scores.csv").open() as file:
        for row in csv.DictReader(file):
            if not row["type"] and row["seed"]:
                found.setdefault(row["lang"], {})[row["seed"]] = 100 * float(row["f1"])
    return found


def main() -> None:
    """Train, and print one line per language."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--encoder", type=Path, default=ROOT / "artifacts/models/encoder")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, nargs="+", default=[13, 14, 15])
    parser.add_argument("--set", action="append", default=[])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        encoders = {
            "pre-trained": args.encoder.resolve(),
            "random": randomise(args.encoder, Path(place) / "random"),
        }
        found = {
            name: {
                lang: by_seed
                for config in CONFIGS
                for lang, by_seed in scores(config, encoder, args, Path(place) / "runs").items()
            }
            for name, encoder in encoders.items()
        }
    print(f"strict F1, mean ± standard deviation of {len(args.seeds)} seeds")
    print(f"{'':6}{'pre-trained':>16}{'random':>16}{'difference':>12}")
    languages = [lang for langs in CONFIGS.values() for lang in langs]
    for lang in [*languages, "mean"]:
        cells = []
        for name in encoders:
            chosen = languages if lang == "mean" else [lang]
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
