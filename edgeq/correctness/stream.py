"""A labelled set through the model that serves on a device: in batches, with progress, going on after a broken link and
after a command that ended early."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeq.correctness.raw import Raws
from edgeq.correctness.unfinished import Partial
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
GOES_ON = "The same command goes on from there."


@dataclass(frozen=True)
class Streamed:
    """`rows` (n, bytes) are the raw outputs of each sample, interface order; `reopened` is how often the link broke,
    `resumed` of how many samples an earlier command has asked."""

    rows: Rows
    reopened: int
    resumed: int = 0


class Source(Protocol):
    """Where the inputs come from: `most` at once."""

    @property
    def most(self) -> int: ...

    def __len__(self) -> int: ...

    def ask(self, device: Device, n: int, start: int, count: int) -> tuple[int, bytes]:
        """Up to `count` samples from `start` on, through release `n`: how many it were, and their raw outputs. `start`
        never falls behind that of an answer before."""
        ...


class Feed:
    """The model's own inputs, a row each; they are read once, in their order, also where a batch is asked twice."""

    def __init__(self, interface: Interface, samples: Samples) -> None:
        self._interface, self._samples = interface, samples
        self._given: Iterator[list[bytes]] | None = None
        self._start, self._held = 0, list[bytes]()
        self.most = max(1, INVOKE_BYTES // max(1, _bytes(interface.inputs)))

    def __len__(self) -> int:
        return len(self._samples)

    def ask(self, device: Device, n: int, start: int, count: int) -> tuple[int, bytes]:
        """See `Source`."""
        part = self.part(start, count)
        return len(part), device.invoke(part.tobytes(), n)

    def part(self, start: int, count: int) -> Rows:
        """Up to `count` rows from `start` on; what lies before is forgotten."""
        if self._given is None:
            rest = self._samples.choose(range(start, len(self._samples)))
            self._given, self._start = inputs_of(self._interface, rest), start
        self._held, self._start = self._held[start - self._start :], start
        self._held += [b"".join(each) for each in islice(self._given, max(0, count - len(self._held)))]
        rows: Rows = np.stack([np.frombuffer(each, np.uint8) for each in self._held[:count]])
        return rows


class RawFeed:
    """Raw inputs, one at a time, for the device's own preprocessing."""

    most = 1

    def __init__(self, raws: Raws) -> None:
        self._raws = raws

    def __len__(self) -> int:
        return len(self._raws)

    def ask(self, device: Device, n: int, start: int, count: int) -> tuple[int, bytes]:  # noqa: ARG002 - a Source's
        """See `Source`."""
        return 1, device.invoke_raw(self._raws.read(start), n)


def stream(
    device: Device,
    release: Release,
    interface: Interface,
    source: Source,
    progress: Progress = silent,
    partial: Partial | None = None,
) -> Streamed:
    """Every sample through `release`, as many at once as the device takes and a second is enough for.

    What `partial` holds is not asked again, and it holds what comes. `LinkError`, which says how far it came, where the
    link cannot be opened again; `DeviceError` where the device has another release under that number then, or says no.
    """
    rows = room((len(source), _bytes(interface.outputs)), np.uint8, "what the device says of the data")
    done = resumed = partial.load(rows) if partial else 0
    if resumed:
        progress(f"{resumed} of {len(source)} samples are there already")
    try:
        reopened = _through(device, release, source, rows, done, progress, partial)
    except KeyboardInterrupt as stop:
        if partial and partial.kept:
            stop.hint = f"What the device said so far is in {partial.path}. {GOES_ON}"  # type: ignore[attr-defined]
        raise
    return Streamed(rows, reopened, resumed)


def _through(
    device: Device,
    release: Release,
    source: Source,
    rows: Rows,
    done: int,
    progress: Progress,
    partial: Partial | None,
) -> int:
    """Fill `rows` from `done` on; the answer is how often the link broke."""
    pace, batch, broken, reopened = _Pace(done, len(source), progress), 1, 0, 0
    while done < len(source):
        start = time.monotonic()
        try:
            if broken:
                _reopen(device, release, PAUSES_S[broken - 1])
                reopened, start = reopened + 1, time.monotonic()
            count, answer = source.ask(device, release.n, done, batch)
        except LinkError as error:
            broken, batch = broken + 1, max(1, batch // 2)
            if not device.reopens or broken > len(PAUSES_S):
                raise _gone(error, done, len(source), partial) from error
            progress(f"the link broke at sample {done} of {len(source)}; it is opened again")
            continue
        if len(answer) != (size := count * rows.shape[1]):
            said = f"{device.address} answers {count} samples with {len(answer)} bytes; they have {size}."
            raise ProtocolError(said, "Deploy the bundle again.")
        rows[done : done + count] = np.frombuffer(answer, np.uint8).reshape(count, -1)
        if partial:
            partial.keep(rows, done, done + count)
        done, broken = done + count, 0
        took = max(1e-6, time.monotonic() - start)
        batch = int(np.clip(REQUEST_S * count / took, 1, min(4 * batch, source.most)))
        pace.tell(done)
    return reopened


class _Pace:
    """Says how far it is, and how long the rest will take at the pace so far."""

    def __init__(self, done: int, count: int, progress: Progress) -> None:
        self._first, self._count, self._progress = done, count, progress
        self._began = self._told = time.monotonic()

    def tell(self, done: int) -> None:
        now = time.monotonic()
        if now - self._told > PROGRESS_S:
            self._told = now
            left_s = (now - self._began) / (done - self._first) * (self._count - done)
            self._progress(f"{done} of {self._count} samples, about {_left(left_s)} left")


def _left(seconds: float) -> str:
    """A whole number of what suits."""
    for limit, unit_s, unit in ((120, 1, "s"), (7200, 60, "min")):
        if seconds < limit:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds / 3600:.1f} h"


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


def _gone(error: LinkError, done: int, count: int, partial: Partial | None) -> LinkError:
    hint = f"{error.hint} {GOES_ON}".strip() if partial and partial.kept else error.hint
    return LinkError(f"{error.message.rstrip('.')} (after {done} of {count} samples).", hint)


def _bytes(tensors: Any) -> int:
    return sum(tensor.size_bytes for tensor in tensors)
