"""Weights in the order in which the kernels read them: packing 1, for every kernel set (DESIGN.md section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeq.micro.fields import Scale, Window

PACKING = 1
MAX_DOT = 131071
"""Products in one sum: 32 bits hold it."""
LANES = 4
"""Channels of a depthwise convolution that lie beside each other."""
BLOCK_GROUPS = 8
"""Fours of channels that a kernel may prepare at once."""
CHANNEL_RECORD = np.dtype([("bias", "<i4"), ("mult", "<i4"), ("shift", "<i4")])


def pack_pairs(rows: NDArray[np.int64], groups: int = 1) -> NDArray[np.int8]:
    """Convolution and fully connected: [out_c, k] -> [groups, out_c / groups / 2, k / 4, 8].

    Rows a, b lie together, four elements of each as a0 b0 a2 b2 a1 b1 a3 b3; zeros fill up short and odd ones."""
    each, k = len(rows) // groups, rows.shape[1]
    padded = np.pad(rows.reshape(groups, each, k), ((0, 0), (0, -each % 2), (0, -k % 4)))
    halves = padded.reshape(groups, -(-each // 2), 2, -(-k // 4), 2, 2)
    return halves.transpose(0, 1, 3, 5, 4, 2).reshape(*halves.shape[:2], -1, 8).astype(np.int8)


def pack_rows(rows: NDArray[np.int64]) -> NDArray[np.int8]:
    """Matrices of recurrent layers: [out_c, k], each row padded with zeros to a multiple of 4."""
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
    """Scratch of a convolution: one window as it lies and two as int16, each padded to a multiple of 4."""
    k = win.k_h * win.k_w * (win.in_c // win.groups)
    return 5 * -(-k // LANES) * LANES


def depthwise_patch_bytes(win: Window) -> int:
    """Scratch of a depthwise convolution: for each tap a place and four values, zero points for a block of groups of
    four channels, and for each of these weights as int16 and how its channels end."""
    taps, groups = win.k_h * win.k_w, min(-(-win.out_c // LANES), BLOCK_GROUPS)
    return 8 * taps + LANES * BLOCK_GROUPS + groups * (8 * taps + 64)
