"""A labelled set through the model that serves on a device: in batches, with progress, going on after a broken link."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset.spool import room
from edgeq.device.device import INVOKE_BYTES, Device, Progress, Release, silent
from edgeq.errors import DeviceError, LinkError, ProtocolError
from edgeq.evaluate.predict import inputs_of
from edgeq.interface import Interface
from edgeq.protocol.status import Status
from edgeq.quantize.samples import Samples

Rows = NDArray[np.uint8]
REQUEST_S = 1.0
"""A batch takes about so long, so that little is asked twice when the link breaks."""
PROGRESS_S = 2.0
PAUSES_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""How long the link is left alone before each new try; they begin anew with every batch that came through."""


@dataclass(frozen=True)
class Streamed:
    """`rows` (n, bytes) are the raw outputs of each sample, interface order; `reopened` is how often the link broke."""

    rows: Rows
    reopened: int


def stream(
    device: Device, release: Release, interface: Interface, samples: Samples, progress: Progress = silent
) -> Streamed:
    """Every sample through `release`, as many at once as the device takes and a second is enough for.

    `LinkError`, which says how far it came, where the link cannot be opened again; `DeviceError` where the device has
    another release under that number then, or says no.
    """
    rows = room((len(samples), _bytes(interface.outputs)), np.uint8, "what the device says of the data")
    feed = Feed(interface, samples)
    most = max(1, INVOKE_BYTES // max(1, _bytes(interface.inputs)))
    done, batch, broken, reopened, told = 0, 1, 0, 0, time.monotonic()
    while done < len(samples):
        part, start = feed.part(done, batch), time.monotonic()
        try:
            if broken:
                _reopen(device, release, PAUSES_S[broken - 1])
                reopened, start = reopened + 1, time.monotonic()
            answer = device.invoke(part.tobytes(), release.n)
        except LinkError as error:
            broken, batch = broken + 1, max(1, batch // 2)
            if not device.reopens or broken > len(PAUSES_S):
                raise _gone(error, done, len(samples)) from error
            progress(f"the link broke at sample {done} of {len(samples)}; it is opened again")
            continue
        if len(answer) != (size := len(part) * rows.shape[1]):
            said = f"{device.address} answers {len(part)} samples with {len(answer)} bytes; they have {size}."
            raise ProtocolError(said, "Deploy the bundle again.")
        rows[done : done + len(part)] = np.frombuffer(answer, np.uint8).reshape(len(part), -1)
        done, broken = done + len(part), 0
        took = max(1e-6, time.monotonic() - start)
        batch = int(np.clip(REQUEST_S * len(part) / took, 1, min(4 * batch, most)))
        if time.monotonic() - told > PROGRESS_S:
            told = time.monotonic()
            progress(f"{done} of {len(samples)} samples")
    return Streamed(rows, reopened)


class Feed:
    """Raw inputs of the samples, a row each; they are read once, in their order, also where a batch is asked twice."""

    def __init__(self, interface: Interface, samples: Samples) -> None:
        self._given: Iterator[list[bytes]] = inputs_of(interface, samples)
        self._start, self._held = 0, list[bytes]()

    def part(self, start: int, count: int) -> Rows:
        """Up to `count` rows from `start` on; what lies before is forgotten."""
        self._held, self._start = self._held[start - self._start :], start
        self._held += [b"".join(each) for each in islice(self._given, max(0, count - len(self._held)))]
        rows: Rows = np.stack([np.frombuffer(each, np.uint8) for each in self._held[:count]])
        return rows


def _reopen(device: Device, release: Release, pause_s: float) -> None:
    time.sleep(pause_s)
    device.reconnect()
    found = next((other for other in device.releases() if other.n == release.n), None)
    if found is None or found.digest != release.digest:
        raise DeviceError(
            f"{device.address} does not have release {release.n} any more: it changed while the link was broken.",
            "Run the command again.",
            Status.STATE,
        )


def _gone(error: LinkError, done: int, count: int) -> LinkError:
    return LinkError(f"{error.message.rstrip('.')} (after {done} of {count} samples).", error.hint)


def _bytes(tensors: Any) -> int:
    return sum(tensor.size_bytes for tensor in tensors)
