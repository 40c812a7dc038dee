"""Readings while a bench runs: the board's sensors, and what other programs take of its processors."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from edgeq.agent.sensors import HERE, Place, parse_process_ticks, parse_stat, sensors

EVERY_S = 1.0
SHORTEST_LOAD_S = 0.5
"""Ticks are a hundredth of a second; over less than this they say little."""
THROTTLED_NOW, THROTTLED_EVER = 1 << 2, 1 << 18
_KEYS = ("cpu_hz", "temperature_c", "throttled", "supply_v", "rails", "energy_uj")


class Load:
    """What other programs take of the processors, in cores, from one look to the next.

    What the processes `own` take, and this one, is not other load. One that is started later may be added: all of its
    ticks are its own, those of its start too.
    """

    def __init__(self, own: Sequence[int] = (), place: Place = HERE) -> None:
        self.own, self._place, self._ticks_s = [*own, os.getpid()], place, 1.0 / os.sysconf("SC_CLK_TCK")
        self._at, self._ticks = time.monotonic(), self._others()

    def look(self) -> float | None:
        """Since the last look; None where the kernel does not tell, or so little time went by that it says little:
        the next look reaches further back then."""
        now = time.monotonic()
        if now - self._at < SHORTEST_LOAD_S:
            return None
        ticks, before, passed_s = self._others(), self._ticks, now - self._at
        self._at, self._ticks = now, ticks
        if ticks is None or before is None:
            return None
        return round(max(0, ticks - before) * self._ticks_s / passed_s, 3)

    @property
    def missing_s(self) -> float:
        """How long to wait for a look that says something."""
        return 0.0 if self._ticks is None else max(0.0, self._at + SHORTEST_LOAD_S - time.monotonic())

    def _others(self) -> int | None:
        """Ticks of all programs but our own; None where the kernel does not tell."""
        busy, cores = parse_stat(self._place.text("proc/stat"))
        if not cores:
            return None
        return busy - sum(parse_process_ticks(self._place.text(f"proc/{pid}/stat")) for pid in self.own)


class Trace:
    """A thread that reads every `every_s` seconds; a context manager. `readings` grow, the last is made at the end.

    Each has `t_ns` since `start_ns` on the clock of the bench, and what `load` tells. A bench so short that its load
    could not be told is followed by the rest of half a second, at rest.
    """

    def __init__(self, load: Load, start_ns: int, every_s: float = EVERY_S, place: Place = HERE) -> None:
        self.readings: list[dict[str, Any]] = []
        self._load, self._start_ns, self._every_s, self._place = load, start_ns, every_s, place
        self._count: int | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trace", daemon=True)

    def __enter__(self) -> Trace:
        self._read()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if not any("other_load" in reading for reading in self.readings):
            time.sleep(self._load.missing_s)
        self._read()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            self._read()

    def _read(self) -> None:
        seen = sensors(self._place)
        reading: dict[str, Any] = {"t_ns": int(seen["clock_ns"]) - self._start_ns}
        reading.update((key, seen[key]) for key in _KEYS if key in seen)
        self._counted(reading, seen.get("throttle_count"))
        load = self._load.look()
        if load is not None:
            reading["other_load"] = load
        self.readings.append(reading)

    def _counted(self, reading: dict[str, Any], count: int | None) -> None:
        """A counter of throttling that grew is a bit, like those of boards that have bits."""
        if count is None:
            return
        grew = self._count is not None and count > self._count
        reading["throttled"] = reading.get("throttled", 0) | (THROTTLED_NOW | THROTTLED_EVER if grew else 0)
        self._count = count
