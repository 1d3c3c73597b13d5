"""Each component's share: the full system against itself with one component switched off.

Runs the system of a configuration (arm ``self_trained``, with ``self_trained_last`` and teachers),
then one variant after the other, each as a run of its own that starts from what is up to date in
the full one. What is made already, by an earlier call or by ``run_pipeline``, is not made again.

    python benchmarks/compare/ablation.py comparison --set data.root=/folder/with/corpora

Prints, per component, the F1 without it and its share of the full system's F1: mean over the
languages, and per language, with the interval over sentences and p after Holm's correction.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from stages.evaluate.results import Comparison, Summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config", nargs="?", default="comparison", help="a .yaml file or a name")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="sets")
    parser.add_argument("--runs-dir", type=Path, default=Path("artifacts/runs"))
    parser.add_argument("--only", nargs="+", metavar="COMPONENT", help="names as in the table")
    parser.add_argument("--list", action="store_true", help="show what would be run, and stop")
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    arguments = parser.parse_args()

    from rich.console import Console

    from pipeline.artifacts import RunFolder
    from pipeline.errors import XlnerError
    from pipeline.progress import Progress
    from pipeline.runner import Selection
    from stages.evaluate.ablation import FULL, SYSTEM, clone_run, compare_runs, variants
    from xlner.api import Runner, load_config

    console = Console(stderr=True)
    runs: Path = arguments.runs_dir

    def run(name: str, start: Path, overrides: list[str], arms: str) -> RunFolder:
        clone_run(start, runs / name)
        sets = [*arguments.sets, *overrides, f"name={name}", f"arms=[{arms}]"]
        runner = Runner(load_config(arguments.config, sets), runs, Progress(console))
        console.print(f"[bold]{name}[/bold] {' '.join(overrides)}")
        runner.run(Selection(last="predict"))
        return runner.folder

    try:
        config = load_config(arguments.config, arguments.sets)
        chosen = variants(config)
        if arguments.only:
            unknown = set(arguments.only) - {v.name for v in chosen}
            if unknown:
                names = ", ".join(v.name for v in chosen)
                parser.error(f"no component {sorted(unknown)}; there are: {names}")
            chosen = [v for v in chosen if v.name in arguments.only]
        if arguments.list:
            for variant in chosen:
                print(f"{variant.name:24} {variant.about} {' '.join(variant.overrides)}")
            return
        full = f"{config.name}.ablation"
        arms = ", ".join(dict.fromkeys([*(v.arm for v in chosen), SYSTEM]))
        folder = run(full, runs / config.name, [], arms)
        systems = {FULL: (folder, SYSTEM)}
        for variant in chosen:
            where = folder
            if variant.overrides:
                name = f"{full}.{variant.name.replace(' ', '-')}"
                where = run(name, folder.path, list(variant.overrides), variant.arm)
            systems[variant.name] = (where, variant.arm)
        summary, comparisons = compare_runs(config, systems)
    except XlnerError as error:
        raise SystemExit(f"error: {error}") from None
    show(summary, comparisons, {v.name: v.about for v in chosen})
    if arguments.json:
        numbers = {
            "systems": [s.model_dump(mode="json") for s in summary],
            "shares": [c.model_dump(mode="json") for c in comparisons],
        }
        arguments.json.write_text(json.dumps(numbers, indent=2), encoding="utf-8")


def show(summary: list[Summary], comparisons: list[Comparison], about: dict[str, str]) -> None:
    """Print the shares as a Markdown table: the mean over the languages first."""
    langs = list(dict.fromkeys(c.lang for c in comparisons))
    langs.sort(key=lambda lang: lang is not None)
    f1 = {(s.arm, s.lang): s for s in summary}
    print("| without | instead | " + " | ".join(f"{x or 'mean'} F1 | share" for x in langs) + " |")
    print("|---" * (2 + 2 * len(langs)) + "|")
    whole = [cell for x in langs for cell in (mean(f1["full", x]), "–")]
    print("| (the full system) | | " + " | ".join(whole) + " |")
    for name, instead in about.items():
        cells = []
        for lang in langs:
            c = next(c for c in comparisons if c.second == name and c.lang == lang)
            p = "< 0.001" if c.p_adjusted < 0.001 else f"= {c.p_adjusted:.3f}"
            share = f"{100 * c.difference:+.1f} ({100 * c.low:+.1f} to {100 * c.high:+.1f}, p {p})"
            cells += [mean(f1[name, lang]), share]
        print(f"| {name} | {instead} | " + " | ".join(cells) + " |")


def mean(found: Summary) -> str:
    """Return F1 in points, with the deviation over the seeds if there are several."""
    spread = f" ± {100 * found.f1_std:.1f}" if found.f1_std is not None else ""
    return f"{100 * found.f1:.1f}{spread}"


if __name__ == "__main__":
    main()
