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


class Trace:
    """A thread that reads every `every_s` seconds; a context manager. `readings` grow, the last is made at the end.

    Each has `t_ns` since `start_ns` on the clock of the bench. What the processes `own` take is not other load.
    """

    def __init__(self, own: Sequence[int], start_ns: int, every_s: float = EVERY_S, place: Place = HERE) -> None:
        self.readings: list[dict[str, Any]] = []
        self._own, self._start_ns, self._every_s, self._place = (*own, os.getpid()), start_ns, every_s, place
        self._ticks_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._load_at, self._load_ticks = time.monotonic(), self._others()
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
        self._read()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            self._read()

    def _read(self) -> None:
        seen = sensors(self._place)
        reading = {"t_ns": int(seen["clock_ns"]) - self._start_ns}
        reading.update((key, seen[key]) for key in _KEYS if key in seen)
        self._counted(reading, seen.get("throttle_count"))
        self._loaded(reading)
        self.readings.append(reading)

    def _counted(self, reading: dict[str, Any], count: int | None) -> None:
        """A counter of throttling that grew is a bit, like those of boards that have bits."""
        if count is None:
            return
        grew = self._count is not None and count > self._count
        reading["throttled"] = reading.get("throttled", 0) | (THROTTLED_NOW | THROTTLED_EVER if grew else 0)
        self._count = count

    def _loaded(self, reading: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - self._load_at < SHORTEST_LOAD_S:
            return
        ticks = self._others()
        if ticks is not None and self._load_ticks is not None:
            busy_s = max(0, ticks - self._load_ticks) * self._ticks_s
            reading["other_load"] = round(busy_s / (now - self._load_at), 3)
        self._load_at, self._load_ticks = now, ticks

    def _others(self) -> int | None:
        """Ticks of all programs but our own; None where the kernel does not tell."""
        busy, cores = parse_stat(self._place.text("proc/stat"))
        if not cores:
            return None
        return busy - sum(parse_process_ticks(self._place.text(f"proc/{pid}/stat")) for pid in self._own)
