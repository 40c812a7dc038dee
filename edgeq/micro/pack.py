"""Weights in the order in which the kernels read them: packing 1, for every kernel set (DESIGN.md section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeq.micro.ops import Scale, Window

PACKING = 1
CHANNEL_RECORD = np.dtype([("bias", "<i4"), ("mult", "<i4"), ("shift", "<i4")])


def pack_rows(rows: NDArray[np.int64]) -> NDArray[np.int8]:
    """Convolution and fully connected: [out_c, k], each row padded with zeros to a multiple of 4."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))).astype(np.int8)


def pack_depthwise(rows: NDArray[np.int64]) -> NDArray[np.int8]:
    """[out_c, taps] -> [out_c / 4, taps, 4], channels padded with zeros to a multiple of 4."""
    padded = np.pad(rows, ((0, -rows.shape[0] % 4), (0, 0)))
    return padded.reshape(-1, 4, rows.shape[1]).transpose(0, 2, 1).astype(np.int8)


def channel_records(biases: NDArray[np.int64], scales: Sequence[Scale]) -> NDArray[np.void]:
    """One `struct eq_channel` per output channel."""
    records = np.empty(len(biases), CHANNEL_RECORD)
    records["bias"] = biases
    records["mult"] = [scale.mult for scale in scales]
    records["shift"] = [scale.shift for scale in scales]
    return records


def conv_patch_bytes(win: Window) -> int:
    """Scratch of a convolution: two patches of input, each padded to a multiple of 4."""
    k = win.k_h * win.k_w * (win.in_c // win.groups)
    return 2 * -(-k // 4) * 4


def depthwise_patch_bytes(win: Window) -> int:
    """Scratch of a depthwise convolution: none."""
    del win
    return 0
