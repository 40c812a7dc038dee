"""A Power Profiler Kit II on a pty: commands, metadata and frames as the real one has them, at its own 100 kHz.

Commands and frames are those of Nordic's Power Profiler (github.com/NordicSemiconductor/pc-nrfconnect-ppk,
src/constants.ts and src/device/serialDevice.ts). The calibration is that of two real kits, from
devzone.nordicsemi.com/f/nordic-q-a/92921 (R, GS and O from the one, GI from the other; S and I were damaged there, so
they are small). `GS0` of -12.8 is real, too.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import time
import tty
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CALIBRATION = {
    "R": [1008.3334, 102.8103, 10.5112, 0.9916, 0.0573],
    "GS": [-12.8288, 172.3044, 27.2495, 3.7972, 0.1114],
    "GI": [1.0, 0.9752, 0.9671, 0.9599, 0.9632],
    "O": [175.1972, 122.1979, 104.6693, 79.9834, 140.348],
    "S": [0.0, 0.0, 0.0, 0.0, 0.0],
    "I": [-1.16e-07, -2.01e-06, 2.2785e-05, 0.0, 0.0],
    "UG": [1.0, 1.0, 1.0, 1.0, 1.0],
}
UPPER_A = (50e-6, 500e-6, 5e-3, 50e-3)
"""Where the next range takes over."""
RATE = 100_000


def metadata(calibration: dict[str, list[float]] = CALIBRATION, vdd: int = 3300, mode: int = 2) -> str:
    """What the kit answers to 0x19; values have as many digits as the kit prints."""

    def rows(key: str, digits: int) -> str:
        return "".join(f"{key}{n}: {value:.{digits}f}\n" for n, value in enumerate(calibration[key]))

    head = "Calibrated: 0\n" + rows("R", 4) + rows("GS", 4) + rows("GI", 4) + rows("O", 4)
    return f"{head}VDD: {vdd}\nHW: 54350\nmode: {mode}\n{rows('S', 9)}{rows('I', 9)}{rows('UG', 2)}IA: 58\nEND"


def words(amperes: Floats, pins: NDArray[np.uint8], first: int = 0) -> NDArray[np.uint32]:
    """The frames of a current: range by its size, the code that the calibration turns back into it, counter, pins."""
    ranges = np.searchsorted(UPPER_A, amperes, side="right")
    r, gs, gi, o, i = (np.array(CALIBRATION[key])[ranges] for key in ("R", "GS", "GI", "O", "I"))
    wanted = amperes - i
    # gs x^2 + gi x = wanted, the root near wanted / gi.
    plain = np.where(np.abs(gs) < 1e-12, wanted / gi, (-gi + np.sqrt(gi**2 + 4 * gs * wanted)) / (2 * gs))
    code = np.clip(np.rint((plain * r / (1.8 / 163840) + o) / 4), 0, 0x3FFF).astype(np.uint32)
    counter = ((first + np.arange(amperes.size)) % 64).astype(np.uint32)
    return code | ranges.astype(np.uint32) << 14 | counter << 18 | pins.astype(np.uint32) << 24


class EmulatedPpk2:
    """A kit at `port`. `load(n, t)` gives (amperes, pins) of the samples from number `n` on, at times `t` in seconds
    since measuring began. `drop` are numbers of samples that get lost on the way, `cut` of ones that lose a byte."""

    def __init__(
        self,
        load: Callable[[int, Floats], tuple[Floats, NDArray[np.uint8]]],
        *,
        text: str = "",
        drop: range = range(0),
        cut: int = -1,
    ) -> None:
        self.load, self.text, self.drop, self.cut = load, text or metadata(), drop, cut
        self.heard: list[bytes] = []
        self.vdd_mv, self.powered, self.began_s = 0, False, 0.0
        self._measuring, self._sent = False, 0
        self._ours, theirs = pty.openpty()
        tty.setraw(theirs)
        os.set_blocking(self._ours, False)
        self.port, self._theirs = os.ttyname(theirs), theirs
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> EmulatedPpk2:
        return self

    def __exit__(self, *_: Any) -> None:
        self.unplug()

    def unplug(self) -> None:
        """Both ends go: what is read or written at the port from now on is an error."""
        self._over.set()
        self._thread.join()
        os.close(self._ours)
        os.close(self._theirs)

    @property
    def sent_s(self) -> float:
        """How many seconds of samples were sent."""
        return self._sent / RATE

    def fed(self, timeout_s: float = 5.0) -> bool:
        """Whether the board is fed, or soon is: commands take a moment to arrive."""
        end = time.monotonic() + timeout_s
        while not self.powered and time.monotonic() < end:
            time.sleep(0.005)
        return self.powered

    def _run(self) -> None:
        while not self._over.is_set():
            if select.select([self._ours], [], [], 0.002)[0]:
                with contextlib.suppress(OSError):
                    self._obey(os.read(self._ours, 64))
            if self._measuring:
                self._stream()

    def _obey(self, data: bytes) -> None:
        lengths = {0x0C: 2, 0x0D: 3, 0x11: 2}
        while data:
            length = lengths.get(data[0], 1)
            command, data = data[:length], data[length:]
            self.heard.append(command)
            if command[0] == 0x19:
                self._write(self.text.encode())
            elif command[0] == 0x06:
                self._measuring, self._sent, self.began_s = True, 0, time.monotonic()
            elif command[0] == 0x07:
                self._measuring = False
            elif command[0] == 0x0D:
                self.vdd_mv = 800 + (command[1] - 3) * 256 + command[2] - 32
            elif command[0] == 0x0C:
                self.powered = command[1] == 1

    def _stream(self) -> None:
        due = int((time.monotonic() - self.began_s) * RATE)
        count = min(due - self._sent, 2000)
        if count <= 0:
            return
        numbers = self._sent + np.arange(count)
        amperes, pins = self.load(self._sent, numbers / RATE)
        data = words(np.where(self.powered, amperes, 0.0), pins, self._sent)
        kept = np.array([n not in self.drop for n in numbers.tolist()])
        raw = data[kept].astype("<u4").tobytes()
        if self.cut in range(self._sent, self._sent + count):
            at = 4 * (self.cut - self._sent)
            raw = raw[:at] + raw[at + 1 :]
        self._sent += count
        self._write(raw)

    def _write(self, data: bytes) -> None:
        while data and not self._over.is_set():
            try:
                data = data[os.write(self._ours, data) :]
            except BlockingIOError:
                time.sleep(0.0005)
            except OSError:
                return
