"""Work on many devices as it happens: a table with a line for each on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edgeq.host.parallel import DONE, EVERYTHING, FAILED, WAITING, WORKING, Watch, unwatched
from edgeq.units import format_seconds

_ORDER = {WORKING: 0, FAILED: 1}
_STATE_WIDTH, _SECONDS_WIDTH = 7, 5
_COLOURS = {WORKING: "cyan", DONE: "green", FAILED: "red", WAITING: "dim"}


@dataclass
class Line:
    """What is known of one device; `began` and `ended` are on the monotonic clock, 0 where not yet."""

    name: str
    state: str = WAITING
    note: str = ""
    began: float = 0.0
    ended: float = 0.0

    def hear(self, state: str, note: str, now: float) -> None:
        """The next thing that was told of it."""
        if state == WORKING:
            self.began = self.began or now
        else:
            self.ended = now
        self.state, self.note = state, note

    def seconds(self, now: float) -> float:
        """How long it is, or was, at work."""
        return (self.ended or now) - self.began if self.began else 0.0


@contextmanager
def watching(names: Sequence[str], quiet: bool = False) -> Iterator[Watch]:
    """A watch for `edgeq.host.parallel.for_each` over these devices, shown on stderr until the work is over."""
    if quiet:
        yield unwatched
    elif not sys.stderr.isatty():
        yield plain_lines(names, lambda line: print(line, file=sys.stderr, flush=True))
    else:
        with _live_table(names) as watch:
            yield watch


def plain_lines(names: Sequence[str], say: Callable[[str], None]) -> Watch:
    """One line for everything that is told."""
    width, began = max(map(len, names), default=0), dict[int, float]()

    def watch(index: int, state: str, note: str) -> None:
        if index == EVERYTHING:
            say(f"  {note}")
        elif state == WORKING:
            began.setdefault(index, time.monotonic())
            if note:
                say(f"  {names[index]:{width}}  {note}")
        else:
            took = format_seconds(time.monotonic() - began.get(index, time.monotonic()))
            say(f"  {names[index]:{width}}  {state} after {took}" + (f": {note}" if note else ""))

    return watch


def shown(lines: Sequence[Line], most: int) -> list[Line]:
    """Those that fit into `most` lines: all of them in order, else what is at work, then what failed, then the rest."""
    if len(lines) <= most:
        return list(lines)
    return sorted(lines, key=lambda line: _ORDER.get(line.state, 2))[: max(0, most)]


def counts(lines: Sequence[Line]) -> str:
    """`3 done, 1 failed, 8 working, 38 waiting`."""
    found = Counter(line.state for line in lines)
    states = (DONE, FAILED, WORKING, *sorted(set(found) - {DONE, FAILED, WORKING, WAITING}), WAITING)
    return ", ".join(f"{found[state]} {state}" for state in states if found[state])


@contextmanager
def _live_table(names: Sequence[str]) -> Iterator[Watch]:
    from rich.console import Console
    from rich.live import Live

    lines, lock, words = [Line(name) for name in names], threading.Lock(), [""]
    console = Console(stderr=True)

    def watch(index: int, state: str, note: str) -> None:
        with lock:
            if index == EVERYTHING:
                words[0] = note
            else:
                lines[index].hear(state, note, time.monotonic())

    def frame() -> Any:
        with lock:
            return _frame(lines, words[0], console.height - 3)

    with Live(get_renderable=frame, console=console, transient=True, refresh_per_second=5, redirect_stdout=False):
        yield watch


def _frame(lines: Sequence[Line], words: str, most: int) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    now = time.monotonic()
    table = Table.grid(padding=(0, 2))
    # A long note is cut; what stands before it never is.
    for width in (max(len(line.name) for line in lines) if lines else 0, _STATE_WIDTH, _SECONDS_WIDTH):
        table.add_column(no_wrap=True, min_width=width)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for line in shown(lines, most):
        state = Text(line.state, _COLOURS.get(line.state, ""))
        table.add_row(Text(line.name), state, Text(f"{line.seconds(now):.0f} s"), Text(line.note))
    return Group(table, Text(counts(lines)), *([Text(words, "yellow")] if words else []))
