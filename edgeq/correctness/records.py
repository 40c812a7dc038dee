"""Record by record on a microcontroller: the device and the runtime here carry out the same plan, and after each record
what it left in the arena is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.bundle import IMAGE, MODEL, Bundle
from edgeq.device.device import Device, Progress, Release, silent
from edgeq.micro.given import Given, given
from edgeq.micro.native import NativeModel
from edgeq.preprocess import Raw

Sample = Sequence[bytes] | Raw
"""Raw inputs in interface order, or what a sensor gives."""


@dataclass(frozen=True)
class Found:
    """The values of one piece on both sides. `looked` records were compared."""

    piece: Given
    there: NDArray[np.generic]
    here: NDArray[np.generic]
    looked: int


def first_differing(
    device: Device, release: Release, bundle: Bundle, samples: Sequence[Sample], progress: Progress = silent
) -> Found | None:
    """Carry out `samples` from the model's first state on, and follow the last one record by record: the first piece
    that is not the same on both sides, bit for bit; None where all are.

    The device sees every sample once, so that variables of the model are as they were. `DeviceError` with status
    UNSUPPORTED where it does not do it step by step; `ArtifactError` where this edgeq makes another plan of the model.
    """
    image = bundle.path(IMAGE).read_bytes()
    pieces = given(bundle.path(MODEL).read_bytes(), image)
    device.require_steps()
    start_anew(device, release)
    *before, last = samples
    for sample in before:
        _invoke(device, release, sample)
    device.begin_steps(last if isinstance(last, Raw) else b"".join(last), release.n)
    count = pieces[-1].record + 1
    for number, (piece, here) in enumerate(zip(pieces, _here(image, pieces, samples), strict=True)):
        if piece.record < 0 and not isinstance(last, Raw):
            continue  # it is what was sent
        if number == 0 or piece.record > pieces[number - 1].record:
            progress(f"record {piece.record + 1} of {count}: {piece.kernel or 'the front end'}")
        one, other = (piece.values(data) for data in (device.memory_after(piece.record + 1, piece.at, len(here)), here))
        if one.tobytes() != other.tobytes() and not np.array_equal(one, other):  # 0 and -0 are one value
            return Found(piece, one, other, piece.record + 1)
    return None


def start_anew(device: Device, release: Release) -> None:
    """Give the variables of a release their first values: that is what any job leaves."""
    device.profile(release.n)


def _invoke(device: Device, release: Release, sample: Sample) -> None:
    if isinstance(sample, Raw):
        device.invoke_raw(sample, release.n)
    else:
        device.invoke(b"".join(sample), release.n)


def _here(image: bytes, pieces: Sequence[Given], samples: Sequence[Sample]) -> list[bytes]:
    """What each piece is here."""
    *before, last = samples
    found: list[bytes] = []
    with NativeModel(image) as model:
        for sample in before:
            model.invoke(_inputs(model, sample))
        inputs = _inputs(model, last)
        found += inputs

        def keep() -> None:
            record = pieces[len(found)].record
            found.extend(model.memory(piece.at, piece.size_bytes) for piece in pieces if piece.record == record)

        model.invoke(inputs, keep)
    return found


def _inputs(model: NativeModel, sample: Sample) -> list[bytes]:
    return [model.preprocess(sample)] if isinstance(sample, Raw) else list(sample)
