"""A release on trial is watched until its policy is satisfied or broken: by counts, commands and a monotonic clock."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable

from edgeq.agent.errors import Refused
from edgeq.transaction.confirm import ConfirmPolicy

RETRY_S = 10.0
"""When to try again where the end of a trial could not be written."""
SHORTEST_HEALTH_S = 0.1
MOST_COUNT = (1 << 32) - 1


@dataclass
class Watch:
    """One trial, as this process has seen it; `began_s` is None until its window has begun."""

    n: int
    policy: ConfirmPolicy
    began_s: float | None = None
    good: int = 0
    bad: int = 0
    approved: bool = False
    failed: str = ""

    def count(self, good: int, bad: int, why: str) -> None:
        """Inferences of the release on trial; the one bad too many decides."""
        self.good, self.bad = min(MOST_COUNT, self.good + good), min(MOST_COUNT, self.bad + bad)
        if self.policy.bad and self.bad >= self.policy.bad and not self.failed:
            self.failed = f"{_times(self.bad, 'bad inference')}{': ' if why else ''}{why}"

    def left_s(self, now: float) -> float:
        """What is left of the window."""
        gone = 0.0 if self.began_s is None else now - self.began_s
        return max(0.0, self.policy.window_s - gone)

    def waits(self, now: float) -> list[str]:
        """What must still come before it can end well."""
        found = []
        if self.good < self.policy.good:
            found.append(f"for {_times(self.policy.good - self.good, 'more good inference')}")
        if not self.approved and self.left_s(now):
            found.append(f"for another {self.left_s(now):.3g} s")
        if not self.approved and self.policy.manual:
            found.append("to be confirmed")
        return found

    def success(self, now: float) -> str:
        """Why it ended well."""
        gone = now - self.began_s if self.began_s is not None else 0.0
        found = [f"served {gone:.3g} s", *([_times(self.good, "good inference")] if self.good else [])]
        found += ["healthy"] if self.policy.health else []
        return ", ".join([*found, *(["confirmed"] if self.approved else [])])


class Watcher:
    """Watches one trial at a time in a thread of its own.

    `health(n)` raises `Refused` where the policy's command fails; `end(n, good, why)` confirms or reverts.
    """

    def __init__(self, health: Callable[[int], None], end: Callable[[int, bool, str], None]) -> None:
        self._health, self._end = health, end
        self._changed = threading.Condition()
        self._watch: Watch | None = None

    def open(self, n: int, policy: ConfirmPolicy) -> None:
        """Count for this trial from now on."""
        with self._changed:
            self._watch = Watch(n, policy)
            self._changed.notify_all()

    def begin(self, failed: str = "") -> None:
        """Its window begins; `failed` says that it is lost already and only has to be ended."""
        with self._changed:
            assert self._watch is not None
            self._watch.began_s, self._watch.failed = time.monotonic(), failed or self._watch.failed
            name = f"trial-{self._watch.n}"
            threading.Thread(target=self._run, args=(self._watch,), name=name, daemon=True).start()

    def drop(self) -> None:
        """The trial has ended, or the agent does."""
        with self._changed:
            self._watch = None
            self._changed.notify_all()

    def count(self, n: int, good: int = 0, bad: int = 0, why: str = "") -> None:
        """Good and bad inferences of release `n`; nothing where it is not the one on trial."""
        with self._changed:
            if self._watch is not None and self._watch.n == n:
                self._watch.count(good, bad, why)
                self._changed.notify_all()

    def approve(self, n: int) -> tuple[bool, str]:
        """Somebody confirms release `n`: whether that was taken, and why not, or why it ended well.

        It is not taken before the window has begun, nor while good inferences are lacking.
        """
        with self._changed:
            watch = self._watch
            if watch is None or watch.n != n or watch.began_s is None:
                return False, "is still being tested"
            if watch.failed:
                return False, f"has failed: {watch.failed}"
            before, watch.approved = watch.approved, True
            waits = watch.waits(time.monotonic())
            if waits:
                watch.approved = before
                return False, f"waits {' and '.join(waits)}"
            self._changed.notify_all()
            return True, watch.success(time.monotonic())

    def progress(self) -> dict[str, Any] | None:
        """`good`, `bad`, `left_s` and what it `waits` for; None where nothing is watched."""
        with self._changed:
            if self._watch is None:
                return None
            now, watch = time.monotonic(), self._watch
            left, waits = round(watch.left_s(now), 3), " and ".join(watch.waits(now))
            return {"good": watch.good, "bad": watch.bad, "left_s": left, "waits": waits}

    def _run(self, watch: Watch) -> None:
        every = max(SHORTEST_HEALTH_S, watch.policy.health_every_s)
        due = time.monotonic() + every
        while True:
            with self._changed:
                if self._watch is not watch:
                    return
                now = time.monotonic()
                ends = bool(watch.failed) or not watch.waits(now)
                if not ends and (not watch.policy.health or now < due):
                    self._changed.wait(self._pause(watch, now, due))
                    continue
            if not watch.failed and watch.policy.health:
                self._examine(watch)
                due = time.monotonic() + every
            if ends or watch.failed:
                self._finish(watch)

    def _pause(self, watch: Watch, now: float, due: float) -> float | None:
        """Seconds until something can be due without anybody saying so."""
        times = [watch.left_s(now)] if watch.left_s(now) and not watch.approved else []
        if watch.policy.health:
            times.append(due - now)
        return min(times) if times else None

    def _examine(self, watch: Watch) -> None:
        try:
            self._health(watch.n)
        except Refused as refused:
            watch.failed = watch.failed or refused.reason

    def _finish(self, watch: Watch) -> None:
        with self._changed:
            if self._watch is not watch or (not watch.failed and watch.waits(time.monotonic())):
                return
            good, why = not watch.failed, watch.failed or watch.success(time.monotonic())
        try:
            self._end(watch.n, good, why)
        except (Refused, OSError) as error:
            print(f"release {watch.n}: its trial could not be ended: {error}", file=sys.stderr, flush=True)
            with self._changed:
                if self._watch is watch:
                    self._changed.wait(RETRY_S)


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
