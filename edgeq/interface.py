"""The interface of a model: what an application may rely on, and the way between real values and integers.

Nobody quantizes by hand: `quantize` and `dequantize` follow the scale and zero point that the bundle ships.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ArtifactError, UsageError

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
        if self.scale == 0:
            return real.astype(self.dtype)
        info = np.iinfo(self.dtype)
        steps = np.rint(np.asarray(real, np.float64) / self.scale) + self.zero_point
        clipped: Array = np.clip(steps, info.min, info.max)
        return clipped.astype(self.dtype)

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
    """Inputs and outputs in the model's order, and labels in the order of the last output's last axis."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    labels: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Interface:
        """`ArtifactError` where the document is newer or breaks the schema."""
        try:
            if data["schema"] > SCHEMA:
                raise ArtifactError(
                    f"The interface has schema {data['schema']}; this edgeq knows {SCHEMA}.", "Upgrade edgeq."
                )
            return cls(
                tuple(_tensor(item) for item in data["inputs"]),
                tuple(_tensor(item) for item in data["outputs"]),
                tuple(str(label) for label in data["labels"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"The interface document is damaged: {error!r}.", "Build the bundle again.") from error


def _tensor(item: dict[str, Any]) -> Tensor:
    shape = tuple(int(size) for size in item["shape"])
    if item["dtype"] not in DTYPES or not all(0 < size < 1 << 31 for size in shape):
        raise ValueError(f"tensor {item['name']!r}: dtype {item['dtype']!r}, shape {list(shape)}")
    return Tensor(str(item["name"]), shape, item["dtype"], float(item["scale"]), int(item["zero_point"]))
