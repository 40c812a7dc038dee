"""How far a device's outputs are from the host's on the same samples: equal bits, output steps, samples by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.interface import Interface, Tensor

Rows = NDArray[np.uint8]
Floats = NDArray[np.float64]
BINS = ((0, 0), (1, 1), (2, 2), (3, 7), (8, 31), (32, 127))
"""Of the histogram, in output steps (LSB), ends included; what is more has a bin of its own."""
FLOAT_STEP = 1e-3
"""What counts as a step where outputs are float32, as in the golden vectors."""
NAMED = 20
_CHUNK = 4096


@dataclass(frozen=True)
class Agreement:
    """`steps` (n,) is the largest difference of each sample over all outputs, in steps; infinite where one side has no
    number. `equal` (n,) tells whether every bit is the same. `outputs` has a table for each output."""

    steps: Floats
    equal: NDArray[np.bool_]
    outputs: tuple[Mapping[str, Any], ...]


def compare(interface: Interface, device: Rows, host: Rows) -> Agreement:
    """Raw outputs (n, bytes) of both, interface order."""
    steps, equal = np.zeros(len(device)), (device == host).all(axis=1)
    tables, at = [], 0
    for tensor in interface.outputs:
        own, worst = _Output(tensor), np.zeros(len(device))
        for start in range(0, len(device), _CHUNK):
            part = slice(start, start + _CHUNK)
            one, other = (np.ascontiguousarray(rows[part, at : at + tensor.size_bytes]) for rows in (device, host))
            worst[part] = own.add(one, other)
        at += tensor.size_bytes
        steps = np.maximum(steps, worst)
        tables.append(own.table())
    return Agreement(steps, equal, tuple(tables))


class _Output:
    """One output, as rows come by."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._counts = [0] * (len(BINS) + 1)
        self._largest = 0.0

    def add(self, device: Rows, host: Rows) -> Floats:
        """The largest difference of each row, in steps."""
        dtype = np.dtype(self._tensor.dtype).newbyteorder("<")
        one, other = (rows.view(dtype).astype(np.float64) for rows in (device, host))
        same = (device.view(f"V{dtype.itemsize}") == host.view(f"V{dtype.itemsize}")) | (one == other)
        unit = FLOAT_STEP if dtype.kind == "f" else 1.0
        with np.errstate(invalid="ignore"):
            off = np.where(same, 0.0, np.abs(one - other) / unit)
        off[np.isnan(off)] = np.inf
        for place, (low, high) in enumerate(BINS):
            # Of floats a part of a step counts as the next one, so that only what is equal counts as 0.
            self._counts[place] += int(((np.ceil(off) >= low) & (np.ceil(off) <= high)).sum())
        self._counts[-1] += int((np.ceil(off) > BINS[-1][1]).sum())
        worst: Floats = off.max(axis=1, initial=0.0)
        self._largest = max(self._largest, float(worst.max(initial=0.0)))
        return worst

    def table(self) -> dict[str, Any]:
        names = [str(low) if low == high else f"{low}..{high}" for low, high in BINS] + [f">{BINS[-1][1]}"]
        return {
            "name": self._tensor.name,
            "dtype": self._tensor.dtype,
            "step": FLOAT_STEP if self._tensor.dtype == "float32" else self._tensor.scale or 1,
            "elements": sum(self._counts),
            "largest": _finite(self._largest),
            "histogram": dict(zip(names, self._counts, strict=True)),
        }


def differing(
    found: Agreement, decided: tuple[Any, Any] | None, allowed: float, title: Callable[[int], str]
) -> list[dict[str, Any]]:
    """Samples by name that differ by more than `allowed` steps, or on which both decide for another class: those first
    that do, then by how far they are apart. `decided` are the classes (n,) of device and host, None where there are
    none."""
    parted = np.zeros(len(found.steps), bool) if decided is None else decided[0] != decided[1]
    places = np.flatnonzero((found.steps > allowed) | parted)
    order = sorted(places.tolist(), key=lambda place: (not parted[place], -found.steps[place], place))
    rows = []
    for place in order[:NAMED]:
        said = {} if decided is None else {"device": int(decided[0][place]), "host": int(decided[1][place])}
        rows.append({"place": place, "sample": title(place), "steps": _finite(float(found.steps[place])), **said})
    return rows


def _finite(steps: float) -> float | None:
    """None where there is no number on one side."""
    return float(f"{steps:.9g}") if np.isfinite(steps) else None
