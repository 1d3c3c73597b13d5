"""What a cluster makes of measured rates: sentences per hour and cost, on paper.

    python benchmarks/pipeline/sizing.py --translate 333 --align 243 --project 9850 --serial 13522 \
        --price 0.04

Rates are rows per second of one core. Those of ``--translate``, ``--align`` and ``--project`` are
divided among the workers (one core each); ``--serial`` is work that one process does while the
others wait: the first pass of project over the corpus. All cores are paid for all the time.
Reading and writing are within the rates of project and left out elsewhere; starting processes and
loading models is left out.
"""

from __future__ import annotations

import argparse


def seconds(rows: float, workers: int, args: argparse.Namespace) -> float:
    """Return the seconds that so many rows take."""
    divided = sum(1 / rate for rate in (args.translate, args.align, args.project))
    return rows * (divided / workers + (1 / args.serial if args.serial else 0))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("translate", "align", "project"):
        parser.add_argument(f"--{name}", type=float, required=True, help="rows/s of a core")
    parser.add_argument("--serial", type=float, default=0, help="rows/s; 0: nothing is serial")
    parser.add_argument("--price", type=float, required=True, help="of an hour of one core")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 8, 32, 128, 512, 2048])
    args = parser.parse_args()
    print("| workers | sentences per hour | cost per million | days for 1 billion | serial share |")
    print("|---|---|---|---|---|")
    for workers in args.workers:
        million = seconds(1e6, workers, args)
        serial = 1e6 / args.serial / million if args.serial else 0
        print(
            f"| {workers:,} | {3.6e9 / million:,.0f} | {workers * million / 3600 * args.price:.2f} "
            f"| {million * 1000 / 86400:,.1f} | {serial:.0%} |"
        )


if __name__ == "__main__":
    main()
