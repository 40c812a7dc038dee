"""The types and scales of every tensor of a written model."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from edgeq.model.tflite import ModelInfo, TensorInfo
from edgeq.passport.figures import rounded


def tensors(info: ModelInfo) -> list[dict[str, Any]]:
    """One entry for each tensor, in the order of the file; those of other graphs than the first say their `graph`."""
    return [
        {**({"graph": number} if number else {}), **_tensor(tensor)}
        for number, graph in enumerate(info.subgraphs)
        for tensor in graph.tensors
    ]


def _tensor(tensor: TensorInfo) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        **({"constant": True} if tensor.data_bytes else {}),
        **_scales(tensor),
    }


def _scales(tensor: TensorInfo) -> dict[str, Any]:
    """One scale as it is; those of channels as their extent, and the digest of their float32 values."""
    if not tensor.scales:
        return {}
    if len(tensor.scales) == 1:
        return {"scale": tensor.scales[0], "zero_point": tensor.zero_points[0]}
    values = np.asarray(tensor.scales, "<f4")
    return {
        "channels": {
            "axis": tensor.axis,
            "count": len(values),
            "least": rounded(values.min()),
            "greatest": rounded(values.max()),
            "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
        }
    }
