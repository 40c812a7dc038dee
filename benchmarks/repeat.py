"""Do repeated benches of one release agree? Two names for it on `local:`, in turns A B B A, each with p50's interval.

`python benchmarks/repeat.py [--pairs 6] [--seconds 2] [--json]`. Whatever differs is the machine: `agree` is the share
of pairs of benches whose 95 % intervals overlap, and `beyond` how far apart, in percent, the intervals of the others
are. An interval tells how well one bench knows its own p50, not how one bench differs from the next; where they
disagree, `edgeq compare` takes several runs of each side.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any

from edgeq.bench import bench
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.stats import bootstrap_interval, summarize

ROOT = Path(__file__).resolve().parents[1]
LEAST = 0.9
MOST_RUNS = 20_000


def main() -> int:
    """Exit code 1 where fewer than nine of ten pairs agree."""
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
    return int(found["agree"] < LEAST)


def measured(folder: Path, pairs: int, seconds: float) -> dict[str, Any]:
    """p50 and its interval of each bench, in order, and how many of their pairs agree."""
    from bundles import make_bundle

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
    gaps = [max(0.0, max(a["low"], b["low"]) / min(a["high"], b["high"]) - 1) for a, b in combinations(rows, 2)]
    apart = [100 * gap for gap in gaps if gap > 0]
    return {"rows": rows, "agree": 1 - len(apart) / len(gaps), "beyond": max(apart, default=0.0)}


def told(found: dict[str, Any]) -> str:
    """For people."""
    rows = [
        f"  {row['name']}  p50 {row['p50'] / 1e3:9.3f} us  {row['low'] / 1e3:9.3f} .. {row['high'] / 1e3:9.3f} us"
        f"  n {row['n']:7d}  other load {row['other_load'] or 0:.2f}  {row['verdict']}"
        for row in found["rows"]
    ]
    return "\n".join(
        [*rows, f"{found['agree']:.0%} of the pairs agree; the others are up to {found['beyond']:.2f} % apart"]
    )


if __name__ == "__main__":
    sys.exit(main())
