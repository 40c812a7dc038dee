"""The interface of a model: what an application may rely on, and the way between real values and integers.

Nobody quantizes by hand: `quantize` and `dequantize` follow the scale and zero point that the bundle ships.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ArtifactError, UsageError
from edgeq.runtime import quantize
from edgeq.transaction.changes import changes

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
    return changes(before.to_json(), after.to_json())


def _tensor(item: Mapping[str, Any]) -> Tensor:
    shape = tuple(int(size) for size in item["shape"])
    if item["dtype"] not in DTYPES or not all(0 < size < 1 << 31 for size in shape):
        raise ValueError(f"tensor {item['name']!r}: dtype {item['dtype']!r}, shape {list(shape)}")
    return Tensor(str(item["name"]), shape, item["dtype"], float(item["scale"]), int(item["zero_point"]))
