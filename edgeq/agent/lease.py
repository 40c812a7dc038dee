"""Who may change releases: at most one connection, for as long as it is there and is heard of."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Callable

from edgeq.agent.errors import Refused
from edgeq.agent.jobs import Job
from edgeq.protocol.status import Status

SILENCE_S = 60.0
LONGEST_WAIT_S = 600.0
LONGEST_WHO = 120


class Lease:
    """Held by an owner, any object, while it exists. Without a holder everybody may change releases, one request at a
    time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._owner: weakref.ref[object] | None = None
        self._who = ""
        self._since = self._heard = 0.0
        self._job: Job | None = None

    def take(self, owner: object, who: str, wait_s: float = 0.0) -> None:
        """Become the holder, within `wait_s` seconds; BUSY says who is. A holder may change its `who`, and gives the
        device back with an empty one."""
        said = "".join(c for c in who if c.isprintable()).strip()[:LONGEST_WHO]
        if not said:
            self.drop(owner)
            return
        ends = self._clock() + min(wait_s, LONGEST_WAIT_S)
        with self._changed:
            while self._holder() not in (None, owner):
                left = ends - self._clock()
                if left <= 0:
                    raise self._busy()
                self._changed.wait(min(left, 1.0))
            now = self._clock()
            if self._holder() is not owner:
                self._owner, self._since, self._job = weakref.ref(owner), now, None
            self._who, self._heard = said, now

    def check(self, owner: object) -> None:
        """BUSY where another one holds it."""
        with self._changed:
            if self._holder() not in (None, owner):
                raise self._busy()

    def heard(self, owner: object) -> None:
        """Something came from `owner`."""
        with self._changed:
            if self._holder() is owner:
                self._heard = self._clock()

    def works(self, owner: object, job: Job) -> None:
        """While this job of the holder runs, silence does not end its hold."""
        with self._changed:
            if self._holder() is owner:
                self._job = job

    def drop(self, owner: object) -> None:
        """The owner is gone."""
        with self._changed:
            if self._holder() is owner:
                self._owner = self._job = None
                self._changed.notify_all()

    def _holder(self) -> object | None:
        if self._owner is None:
            return None
        owner = self._owner()
        working = self._job is not None and not self._job.finished.is_set()
        if owner is None or (not working and self._clock() - self._heard > SILENCE_S):
            self._owner = self._job = None
            return None
        return owner

    def _busy(self) -> Refused:
        return Refused(Status.BUSY, f"{self._who} since {self._clock() - self._since:.0f} s")
