"""Do repeated benches of one release agree? Two names for it on `local:`, in turns A B B A, each with p50's interval.

`python benchmarks/repeat.py [--pairs 6] [--seconds 2] [--json]`. A and B are the same release, so whatever differs
is the machine. Each bench is a process of its own, with a layout of memory of its own, and so knows its own p50 far
better than benches agree with each other: `overlap` is the share of pairs whose own intervals overlap. The interval of
A - B is therefore one over benches (Welch's t of their p50), and must hold 0.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from importlib import import_module
from itertools import combinations
from pathlib import Path
from statistics import mean, variance
from typing import Any

from edgeq.bench import bench
from edgeq.bootstrap import bootstrap_interval
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.stats import summarize

ROOT = Path(__file__).resolve().parents[1]
MOST_RUNS = 20_000
STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12)
"""97.5 % quantiles of Student's t for 1, 2, 3 ... degrees of freedom."""


def main() -> int:
    """Exit code 1 where A and B, which are the same, differ by more than their interval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGEQ_HOME"], os.environ["XDG_DATA_HOME"] = f"{folder}/home", f"{folder}/data"
        found = measured(Path(folder), given.pairs, given.seconds)
    print(json.dumps(found) if given.json else told(found))
    return int(not found["low"] <= 0 <= found["high"])


def measured(folder: Path, pairs: int, seconds: float) -> dict[str, Any]:
    """p50 and its interval of each bench, in order; how many pairs overlap; A - B with its interval, in percent."""
    make_bundle = import_module("bundles").make_bundle
    rows: list[dict[str, Any]] = []
    with open_device("local:") as device:
        deploy(make_bundle(folder / "bundle"), device)
        for index in range(pairs):
            for name in "AB" if index % 2 == 0 else "BA":
                run = bench(device, runs=MOST_RUNS, seconds=seconds, warmup=50, probes=[])
                invoke, load = run.one("invoke"), run.one("other_load")
                assert invoke is not None
                low, high = bootstrap_interval(invoke.values)
                other = sum(load.values) / len(load.values) if load else None
                row = {"name": name, "p50": summarize(invoke.values).p50, "low": low, "high": high, "other_load": other}
                rows.append({**row, "n": len(invoke.values), "verdict": run.verdict})
        device.reset()
    pairs_of = list(combinations(rows, 2))
    overlap = sum(max(a["low"], b["low"]) <= min(a["high"], b["high"]) for a, b in pairs_of) / len(pairs_of)
    return {"rows": rows, "overlap": overlap, **difference(rows)}


def difference(rows: list[dict[str, Any]]) -> dict[str, float]:
    """A - B of the mean p50, with a 95 % interval, both in percent (Welch's t over benches)."""
    sides = [[row["p50"] for row in rows if row["name"] == name] for name in "AB"]
    means, parts = [mean(side) for side in sides], [variance(side) / len(side) for side in sides]
    freedom = sum(parts) ** 2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True))
    reach = STUDENT[min(len(STUDENT) - 1, max(0, int(freedom) - 1))] * sum(parts) ** 0.5
    off, scale = means[0] - means[1], 100 / means[1]
    return {"difference": off * scale, "low": (off - reach) * scale, "high": (off + reach) * scale}


def told(found: dict[str, Any]) -> str:
    """For people."""
    rows = [
        f"  {row['name']}  p50 {row['p50'] / 1e3:9.3f} us  {row['low'] / 1e3:9.3f} .. {row['high'] / 1e3:9.3f} us"
        f"  n {row['n']:7d}  other load {row['other_load'] or 0:.2f}  {row['verdict']}"
        for row in found["rows"]
    ]
    said = f"A - B: {found['difference']:+.2f} % (95 % interval {found['low']:+.2f} to {found['high']:+.2f} %)"
    return "\n".join([*rows, f"{found['overlap']:.0%} of the pairs of benches overlap", said])


if __name__ == "__main__":
    sys.exit(main())
