"""The interface of a model: what an application may rely on, and the way between real values and integers.

Nobody quantizes by hand: `quantize` and `dequantize` follow the scale and zero point that the bundle ships.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ArtifactError, UsageError
from edgeq.runtime import quantize

SCHEMA = 1
DTYPES = ("int8", "uint8", "int16", "int32", "float32")
Array = NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """One input or output. `real = (integer - zero_point) * scale`; `scale` is 0 where the tensor is not quantized.
    `shape` has the batch dimension, which is 1."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int

    def quantize(self, real: Array) -> Array:
        """Real values of any shape -> this tensor's dtype, rounded to nearest (half to even) and clipped."""
        quantized: Array = quantize(real, self.dtype, self.scale, self.zero_point)
        return quantized

    def dequantize(self, raw: Array) -> Array:
        """This tensor's dtype -> real values, float32."""
        if self.scale == 0:
            return raw.astype(np.float32)
        return ((raw.astype(np.float64) - self.zero_point) * self.scale).astype(np.float32)

    @property
    def size_bytes(self) -> int:
        """Bytes of one sample."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    def samples(self, data: Array) -> Array:
        """`data` as (n, *shape[1:]); axes of size one may differ, one sample may lack its batch dimension.

        `UsageError` where it cannot be.
        """
        want = self.shape[1:]
        if _extents(data.shape) == _extents(want):
            data = data.reshape(1, *want)
        elif data.ndim and len(data) and _extents(data.shape[1:]) == _extents(want):
            data = data.reshape(len(data), *want)
        else:
            raise UsageError(
                f"The model's input '{self.name}' wants shape {list(want)}; the data has {list(data.shape)}.",
                "Give an array of shape [n, " + ", ".join(map(str, want)) + "].",
            )
        if not np.isfinite(data).all():
            raise UsageError("The input has values that are not finite (NaN or infinity).", "Clean the data first.")
        return data


def _extents(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size != 1]


@dataclass(frozen=True)
class Interface:
    """Inputs and outputs in the model's order, and labels in the order of the last output's last axis.

    `preprocess` is the canonical form of `edgeq.preprocess`, None where the application gives the model's own input.
    An output counts as a decision from `threshold` on, None where the highest one always does; `smoothing` is the
    number of successive outputs that are averaged before.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    labels: tuple[str, ...] = ()
    preprocess: Mapping[str, Any] | None = None
    threshold: float | None = None
    smoothing: int = 1

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self), "preprocess_sha256": self.preprocess_sha256}

    @property
    def preprocess_sha256(self) -> str | None:
        """The digest by which two preprocessings are told apart; None where there is none."""
        if self.preprocess is None:
            return None
        text = json.dumps(self.preprocess, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Interface:
        """`ArtifactError` where the document is newer or breaks the schema. What it may leave out is not there."""
        try:
            if data["schema"] > SCHEMA:
                raise ArtifactError(
                    f"The interface has schema {data['schema']}; this edgeq knows {SCHEMA}.", "Upgrade edgeq."
                )
            preprocess, threshold = data.get("preprocess"), data.get("threshold")
            if preprocess is not None and not isinstance(preprocess, dict):
                raise TypeError(f"preprocess {preprocess!r}")
            found = cls(
                tuple(_tensor(item) for item in data["inputs"]),
                tuple(_tensor(item) for item in data["outputs"]),
                tuple(str(label) for label in data["labels"]),
                preprocess,
                None if threshold is None else float(threshold),
                int(data.get("smoothing", 1)),
            )
            if data.get("preprocess_sha256", found.preprocess_sha256) != found.preprocess_sha256:
                raise ValueError("the preprocessing is not the one that was signed for by its digest")
            return found
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"The interface document is damaged: {error!r}.", "Build the bundle again.") from error


def differences(before: Interface, after: Interface) -> list[str]:
    """What an application that was written for `before` would meet in `after`: one clause for each thing; none where
    nothing changed."""
    return [
        *_tensor_differences("input", before.inputs, after.inputs),
        *_tensor_differences("output", before.outputs, after.outputs),
        *_label_differences(before.labels, after.labels),
        *_preprocess_differences(before, after),
        *(
            f"{name}: {getattr(before, name)} before, now {getattr(after, name)}"
            for name in ("threshold", "smoothing")
            if getattr(before, name) != getattr(after, name)
        ),
    ]


def _tensor_differences(what: str, before: tuple[Tensor, ...], after: tuple[Tensor, ...]) -> Iterator[str]:
    if len(before) != len(after):
        yield f"{len(before)} {what}s before, now {len(after)}"
        return
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        title = f"{what} '{old.name}'" if len(before) > 1 or old.name else f"{what} {number}"
        for field in ("name", "shape", "dtype", "scale", "zero_point"):
            was, now = getattr(old, field), getattr(new, field)
            if was != now:
                yield f"{title}: {field.replace('_', ' ')} {_told(was)}, now {_told(now)}"


def _told(value: Any) -> str:
    if isinstance(value, tuple):
        return str(list(value))
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _label_differences(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[str]:
    if before == after:
        return
    if len(before) != len(after):
        yield f"{len(before)} labels before, now {len(after)}"
    elif sorted(before) == sorted(after):
        place = next(index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1])
        yield f"the labels stand in another order, first at {place}: '{before[place]}', now '{after[place]}'"
    else:
        place = next(index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1])
        yield f"label {place}: '{before[place]}', now '{after[place]}'"


def _preprocess_differences(before: Interface, after: Interface) -> Iterator[str]:
    old, new = before.preprocess, after.preprocess
    if old == new:
        return
    if old is None or new is None:
        yield "preprocessing: none before, now on the device" if old is None else "preprocessing: now the application's"
        return
    first, second = old.get("steps", []), new.get("steps", [])
    for number, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
            changes = ", ".join(f"{key} {one.get(key)}, now {other.get(key)}" for key in keys)
            yield f"preprocessing, step {number + 1} ({one.get('do')}): {changes}"
            return
    if len(first) != len(second):
        yield f"preprocessing: {len(first)} steps before, now {len(second)}"
        return
    yield f"preprocessing: {', '.join(key for key in {**old, **new} if old.get(key) != new.get(key))} changed"


def _tensor(item: Mapping[str, Any]) -> Tensor:
    shape = tuple(int(size) for size in item["shape"])
    if item["dtype"] not in DTYPES or not all(0 < size < 1 << 31 for size in shape):
        raise ValueError(f"tensor {item['name']!r}: dtype {item['dtype']!r}, shape {list(shape)}")
    return Tensor(str(item["name"]), shape, item["dtype"], float(item["scale"]), int(item["zero_point"]))
