"""The same work on many things at once: bounded, each with a deadline, ended by Ctrl-C in two steps.

Threads, since what is waited for is devices. A thread that never comes back is left behind: the others and the answer
do not wait for it.
"""

from __future__ import annotations

import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from edgeq.errors import EdgeqError, LinkTimeout

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[str], None]
Watch = Callable[[int, str, str], None]
"""Told (index of the item, its state, a note) from the thread of `for_each` and from those at work; the index is
`EVERYTHING` where it concerns no single item."""

EVERYTHING = -1
INTERRUPTED = "Nothing more is begun; what is under way is finished. Ctrl-C again stops it where it is."

WAITING, WORKING, DONE, FAILED, STOPPED = "waiting", "working", "done", "failed", "stopped"
MOST_JOBS = 8
STOP_S = 3.0
"""How long work that was told to stop may take to do so."""
_POLL_S = 0.1


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """How it went with one item: done, failed, stopped by Ctrl-C, or still waiting because of one."""

    state: str
    result: Result | None = None
    error: EdgeqError | None = None
    seconds: float = 0.0


def unwatched(_index: int, _state: str, _note: str) -> None:
    """The watch of those who want none."""


def for_each(
    items: Sequence[Item],
    action: Callable[[Item, Progress], Result],
    *,
    jobs: int = MOST_JOBS,
    deadline_s: float | None = None,
    watch: Watch = unwatched,
) -> list[Outcome[Result]]:
    """`action` on every item, at most `jobs` at once; the answer is in the order of the items and holds every failure.

    An item that takes longer than `deadline_s` has failed with a `LinkTimeout`. The first Ctrl-C begins no more items
    and waits for those under way; the second stops these at their next progress, or leaves them behind.
    """
    work = _Work(items, action, deadline_s, watch)
    with _interrupts() as interrupts:
        told = False
        while not work.ended(bool(interrupts)):
            if not interrupts:
                work.begin(jobs)
            elif not told:
                told = True
                watch(EVERYTHING, STOPPED, INTERRUPTED)
            work.collect(_POLL_S)
            work.expire()
            if len(interrupts) > 1:
                work.stop()
    return [work.outcomes.get(index, Outcome(WAITING)) for index in range(len(items))]


class _Stop(BaseException):
    """Unwinds the work of one item; not an Exception, so that nobody takes it for a failure of the device."""


class _Work(Generic[Item, Result]):
    """What is waiting, under way and finished."""

    def __init__(
        self,
        items: Sequence[Item],
        action: Callable[[Item, Progress], Result],
        deadline_s: float | None,
        watch: Watch,
    ) -> None:
        self._items, self._action, self._deadline_s, self._watch = items, action, deadline_s, watch
        self._next = 0
        self._began: dict[int, float] = {}
        # Not a SimpleQueue: one whose wait a signal interrupts at its very end waits for ever (CPython 3.11).
        self._answers: queue.Queue[tuple[int, Outcome[Result]]] = queue.Queue()
        self._left: set[int] = set()
        self._stopping = threading.Event()
        self.outcomes: dict[int, Outcome[Result]] = {}

    def ended(self, interrupted: bool) -> bool:
        return not self._began and (interrupted or self._next == len(self._items))

    def begin(self, jobs: int) -> None:
        while self._next < len(self._items) and len(self._began) < max(1, jobs):
            index, self._next = self._next, self._next + 1
            self._began[index] = time.monotonic()
            self._watch(index, WORKING, "")
            threading.Thread(target=self._run, args=(index,), name=f"edgeq-{index}", daemon=True).start()

    def collect(self, timeout_s: float) -> None:
        """Wait for one answer at most that long, and take all that are there."""
        try:
            index, outcome = self._answers.get(timeout=timeout_s)
            while True:
                if index in self._began:
                    self._finish(index, outcome)
                index, outcome = self._answers.get_nowait()
        except queue.Empty:
            return

    def expire(self) -> None:
        """Leave behind what is past its deadline."""
        now = time.monotonic()
        for index, began in list(self._began.items()):
            if self._deadline_s is not None and now - began > self._deadline_s:
                error = LinkTimeout(f"It did not answer within {self._deadline_s:g} s.", "Is it up, and reachable?")
                self._leave(index, Outcome(FAILED, error=error))

    def stop(self) -> None:
        """Have everything under way stop; what does not in `STOP_S` is left behind."""
        self._stopping.set()
        deadline = time.monotonic() + STOP_S
        while self._began and time.monotonic() < deadline:
            self.collect(_POLL_S)
        for index in list(self._began):
            self._leave(index, Outcome(STOPPED))

    def _leave(self, index: int, outcome: Outcome[Result]) -> None:
        self._left.add(index)
        self._finish(index, outcome)

    def _finish(self, index: int, outcome: Outcome[Result]) -> None:
        seconds = time.monotonic() - self._began.pop(index)
        self.outcomes[index] = Outcome(outcome.state, outcome.result, outcome.error, seconds)
        self._watch(index, outcome.state, outcome.error.message if outcome.error else "")

    def _run(self, index: int) -> None:
        _shield()
        try:
            outcome = Outcome(DONE, self._action(self._items[index], lambda note: self._note(index, note)))
        except _Stop:
            outcome = Outcome(STOPPED)
        except EdgeqError as error:
            outcome = Outcome(FAILED, error=error)
        except BaseException as error:
            # Whatever it is, it must not be the end of the other items.
            outcome = Outcome(FAILED, error=_unexpected(error))
        self._answers.put((index, outcome))

    def _note(self, index: int, note: str) -> None:
        if self._stopping.is_set() or index in self._left:
            raise _Stop
        self._watch(index, WORKING, note)


def _unexpected(cause: BaseException) -> EdgeqError:
    error = EdgeqError(f"{type(cause).__name__}: {cause}", "This is a mistake in edgeq; -v shows where.")
    error.__cause__ = cause
    return error


def _shield() -> None:
    """A terminal's Ctrl-C reaches every process in the foreground: the programs that this thread starts inherit that
    they do not see it, so that an `ssh` does not end in the middle of what is to be finished."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collects Ctrl-C instead of raising it; outside the main thread there is nothing to collect."""
    seen: list[int] = []

    def note(number: int, _frame: Any) -> None:
        seen.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
