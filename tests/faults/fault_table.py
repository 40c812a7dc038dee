"""The fault table: every row at the full count by `make faults`, at the reduced count inside the ordinary tests.

python tests/faults/fault_table.py [--reduced] [--row NAME]... [--case NUMBER] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(TESTS / name) for name in ("support", "link", "micro", "device")]

from fault_lab import Lab, Skip  # noqa: E402


@dataclass(frozen=True)
class Row:
    """One kind of fault.

    `cases` says how many there are, where that is found out by a look at the product; `full` is how many are run,
    None for all; `reduced` is how many of these the ordinary tests run, evenly spread. `case` gets a number and raises
    `AssertionError` where an expectation is not met. Where one stands for several, it answers how many.
    """

    name: str
    what: str
    cases: Callable[[Lab], int]
    case: Callable[[Lab, int], object]
    reduced: int | Callable[[Lab], int] | None
    full: int | None = None

    def numbers(self, lab: Lab, reduced: bool) -> list[int]:
        """The numbers of the cases to run."""
        there = self.cases(lab)
        wanted = min(there, self.full or there)
        if reduced and self.reduced is not None:
            wanted = min(wanted, self.reduced if isinstance(self.reduced, int) else self.reduced(lab))
        return [index * there // wanted for index in range(wanted)]


@dataclass
class Outcome:
    """What came of one row."""

    row: str
    cases: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        if self.skipped:
            return f"skipped: {self.skipped}"
        return f"{len(self.failed)} failed" if self.failed else "all as expected"


def run(
    row: Row,
    lab: Lab,
    numbers: list[int] | None,
    *,
    reduced: bool,
    say: Callable[[str], None],
    part: tuple[int, int] = (0, 1),
) -> Outcome:
    """Every case of a row, or these ones, or one `part` of so many."""
    began, outcome = time.monotonic(), Outcome(row.name)
    try:
        for number in (row.numbers(lab, reduced) if numbers is None else numbers)[part[0] :: part[1]]:
            done: object = 1
            try:
                done = row.case(lab, number)
            except Skip:
                raise
            except Exception as error:
                outcome.failed.append(f"case {number}: {type(error).__name__}: {error}"[:600])
                say(traceback.format_exc())
            outcome.cases += done if isinstance(done, int) else 1
    except Skip as reason:
        outcome.skipped = str(reason)
    except Exception as error:
        outcome.failed.append(f"before the cases: {type(error).__name__}: {error}"[:600])
        say(traceback.format_exc())
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def table(outcomes: list[Outcome], rows: dict[str, Row]) -> str:
    """For people, and for docs/reliability.md."""
    lines = ["| fault | cases | verdict | seconds |", "|---|---:|---|---:|"]
    lines += [f"| {rows[o.row].what} | {o.cases:,} | {o.verdict} | {o.seconds:.0f} |" for o in outcomes]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the rows and print the table; exit code 1 where a case failed."""
    from fault_rows import ROWS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reduced", action="store_true", help="as many cases as the ordinary tests run")
    parser.add_argument("--row", action="append", choices=list(ROWS), help="only this one; may be repeated")
    parser.add_argument("--case", type=int, action="append", help="only this case of the row; may be repeated")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    given = parser.parse_args(arguments)
    outcomes: list[Outcome] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was made is put away

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    for name in given.row or ROWS:
        with tempfile.TemporaryDirectory(prefix="edgeq-faults-home-") as home:
            os.environ["EDGEQ_HOME"] = home
            lab = Lab(full=not given.reduced)
            try:
                outcome = run(ROWS[name], lab, given.case, reduced=given.reduced, say=say)
            finally:
                lab.close()
        say(f"{name}: {outcome.cases} cases, {outcome.verdict}, {outcome.seconds} s")
        outcomes.append(outcome)
    if given.json:
        document: dict[str, Any] = {
            "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
            "reduced": given.reduced,
            "rows": [{**asdict(o), "what": ROWS[o.row].what, "verdict": o.verdict} for o in outcomes],
        }
        print(json.dumps(document, indent=1))
    else:
        print(table(outcomes, ROWS))
        for outcome in outcomes:
            for failure in outcome.failed:
                print(f"{outcome.row}: {failure}")
    return int(any(outcome.failed for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
