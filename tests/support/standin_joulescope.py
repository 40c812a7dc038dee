"""A Joulescope that stands in for the driver's: topics, values and refusals as pyjoulescope_driver 2.2.12 has them.

The driver has no emulation of its own. What it takes is in its `record.py` and `entry_points/record.py`, and in the
metadata of topics in its binary: `h/fs` in Hz, ranges as `s/i/range/select` (JS110) or `s/i/range/mode` (JS220), inputs
0 and 1 (JS110) or 0 to 3 and 7. Samples are counted at the full rate; inputs come as bits, the lowest first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Take = Callable[[str, dict[str, Any]], None]
RATE = 2_000_000
PIECE_S = 0.01
TOPICS = {
    "js110": ("s/i/range/select", "s/v/range/select", "s/gpi/0/ctrl", "s/gpi/1/ctrl"),
    "js220": (
        *("s/i/range/mode", "s/v/range/mode"),
        *("s/gpi/0/ctrl", "s/gpi/1/ctrl", "s/gpi/2/ctrl", "s/gpi/3/ctrl", "s/gpi/7/ctrl"),
    ),
}
COMMON = ("h/fs", "s/p/ctrl", "s/v/ctrl", "s/i/ctrl")


class FakeDriver:
    """`Driver` with one instrument plugged in. `load(t)` gives (watts, level of the inputs) at times in seconds since
    it was opened; `lost` are messages, by number, of which all samples are NaN."""

    def __init__(
        self,
        load: Callable[[Floats], tuple[Floats, NDArray[np.bool_]]],
        model: str = "js220",
        silent: bool = False,
        lost: range = range(0),
    ) -> None:
        self.path, self.load, self.silent, self.lost = f"u/{model}/000415", load, silent, lost
        self.set: dict[str, Any] = {}
        self.began_s, self.opened, self.finalized, self.plugged = 0.0, False, False, True
        self._takes: dict[str, Take] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def device_paths(self, timeout: float | None = None) -> list[str]:
        return [self.path] if self.plugged else []

    def open(self, device_prefix: str, mode: str | None = None, timeout: float | None = None) -> None:
        if device_prefix != self.path or mode not in ("defaults", "restore", "raw", None):
            raise TimeoutError(f"jsdrv_open timed out | {device_prefix}")
        self.opened, self.began_s = True, time.monotonic()
        self._thread.start()

    def publish(self, topic: str, value: Any, timeout: float | None = None) -> None:
        rest = topic.removeprefix(f"{self.path}/")
        if not self.plugged or not self.opened or rest not in (*COMMON, *TOPICS[self.path.split("/")[1]]):
            raise TimeoutError(f"jsdrv_publish timed out | {topic}")
        self.set[rest] = value

    def subscribe(self, topic: str, flags: str, fn: Take, timeout: float | None = None) -> None:
        assert flags == "pub" and topic.endswith("/!data")
        self._takes[topic.removeprefix(f"{self.path}/").removesuffix("/!data")] = fn

    def close(self, device_prefix: str, timeout: float | None = None) -> None:
        self.opened = False

    def finalize(self, timeout: float | None = None) -> None:
        self.finalized = True
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._over.wait(max(0.0, self.began_s + (number + 1) * PIECE_S - time.monotonic())):
            if self.plugged and not self.silent:
                self._piece(number)
            number += 1

    def _piece(self, number: int) -> None:
        whole = int(RATE * PIECE_S)
        t = (number * whole + np.arange(whole)) / RATE
        watts, level = self.load(t)
        factor = RATE // int(self.set.get("h/fs", RATE))
        power = watts[::factor].astype(np.float32)
        if number in self.lost:
            power[:] = np.nan
        data = {"s/p": power, "s/v": np.full(power.size, 1.8, np.float32)}
        data |= {f"s/gpi/{n}": np.packbits(level[::factor], bitorder="little") for n in (0, 1, 2, 3, 7)}
        for name, take in list(self._takes.items()):
            if self.set.get(f"{name}/ctrl") == 1:
                head = {"sample_id": number * whole, "sample_rate": RATE, "decimate_factor": factor}
                take(f"{self.path}/{name}/!data", {**head, "data": data[name]})
