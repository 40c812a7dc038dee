"""A labelled set through a release, as raw inputs where the device takes them, else as the model's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgeq.bundle import Bundle
from edgeq.correctness.raw import Raws
from edgeq.correctness.stream import Feed, RawFeed, Streamed, stream
from edgeq.correctness.unfinished import Partial
from edgeq.device.device import Device, Progress, Release
from edgeq.errors import DeviceError
from edgeq.interface import Interface
from edgeq.protocol.status import Status
from edgeq.quantize.samples import Samples

Way = Raws | Samples
Kept = Callable[[Mapping[str, Any]], Partial]
_SEQUENCES = {f"{way}_SEQUENCE_{cell}" for way in ("UNIDIRECTIONAL", "BIDIRECTIONAL") for cell in ("LSTM", "RNN")}
_REMEMBER = {"VAR_HANDLE", "SVDF", "LSTM", "RNN", *_SEQUENCES}
_FACTS = ("kind", "host", "board", "cpu", "arch", "agent", "runtime")


def remembers(bundle: Bundle) -> bool:
    """Whether an answer depends on the samples before, so that nobody can go on in the middle."""
    ops = (bundle.manifest.get("model") or {}).get("ops") or ()
    return bool(_REMEMBER & set(ops))


def through(
    device: Device,
    release: Release,
    interface: Interface,
    ways: Sequence[Way],
    kept: Kept | None,
    progress: Progress,
) -> tuple[Streamed, Way]:
    """What the device says of the samples, and which of `ways` it took: an image without a front end refuses the first
    raw input. `kept` gives the file of a way."""
    for way in ways:
        source = RawFeed(way) if isinstance(way, Raws) else Feed(interface, way)
        partial = kept(_facts(device, release, way)) if kept else None
        try:
            found = stream(device, release, interface, source, lambda note: progress(f"accuracy: {note}"), partial)
        except DeviceError as error:
            if error.status != Status.UNSUPPORTED or way is ways[-1]:
                raise
            progress("accuracy: the release takes no raw input, so it is preprocessed on this machine")
            continue
        return found, way
    raise AssertionError("the last way is taken, or raises")


def _facts(device: Device, release: Release, way: Way) -> dict[str, Any]:
    """What tells this stream from any other, so that no answer is taken for one to another question."""
    told = device.describe()
    return {
        "device": [device.address, *(str(told.get(key)) for key in _FACTS)],
        "release": [release.n, release.digest],
        "raw": isinstance(way, Raws),
    }
