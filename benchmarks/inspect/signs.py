"""How often the signs against a projected label are right, on a run with gold target labels.

    run_pipeline sample_projection
    python benchmarks/inspect/signs.py artifacts/runs/sample_projection

Every kept label is judged twice: by the signs alone, as if there were no gold labels, and by gold.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from pipeline.artifacts import Artifact, RunFolder
from stages.inspect.doubts import CERTAIN, Renderings, doubts_of
from stages.inspect.reading import units, views
from stages.inspect.view import DOUBTS


def main(run: Path) -> None:
    """Print how many labels are doubted, how many are wrong, and by sign how many are both."""
    kept = wrong = doubted = both = 0
    shown: Counter[str] = Counter()
    right: Counter[str] = Counter()
    folder = RunFolder(run)
    for lang in units(folder, "project"):
        renderings = Renderings.of(Artifact(run / "project" / lang))
        for view in views(folder, "project", lang):
            if view.gold is None:
                continue
            bad = {d.span for d in doubts_of(view, renderings) if d.kind == "not_gold"}
            view.gold = None
            signs = [d for d in doubts_of(view, renderings) if d.span is not None]
            kept += len(view.kept_spans())
            wrong += len(bad)
            doubted += len({d.span for d in signs})
            both += len({d.span for d in signs} & bad)
            shown.update(d.kind for d in signs)
            right.update(d.kind for d in signs if d.span in bad)
    print(f"{kept} kept labels, {wrong} wrong; {doubted} doubted, {both} of them wrong")
    for kind in DOUBTS:
        if kind not in CERTAIN and shown[kind]:
            print(f"  {kind}: {right[kind]} of {shown[kind]} wrong")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
