"""CRC-32C (Castagnoli), as tfrecord files carry it. Blocks are summed side by side in numpy, then joined."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_BLOCK = 256
_MASK_DELTA = 0xA282EAD8


def crc32c(data: bytes) -> int:
    """The plain checksum."""
    blocks = len(data) // _BLOCK
    crc = 0xFFFFFFFF
    if blocks:
        shift = _shift_by_block()
        for part in _block_crcs(data[: blocks * _BLOCK]).tolist():
            crc = (
                part
                ^ shift[0][crc & 255]
                ^ shift[1][(crc >> 8) & 255]
                ^ shift[2][crc >> 16 & 255]
                ^ shift[3][crc >> 24]
            )
    table = _table_list()
    for byte in data[blocks * _BLOCK :]:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    """As tfrecord stores it, so that a checksum over bytes that hold checksums is no trivial one."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def _block_crcs(data: bytes) -> NDArray[np.uint32]:
    """The sum of each block, begun with zero."""
    columns = np.frombuffer(data, np.uint8).reshape(-1, _BLOCK).T
    table, crcs = _table(), np.zeros(columns.shape[1], np.uint32)
    for column in np.ascontiguousarray(columns):
        crcs = table[(crcs ^ column) & 255] ^ (crcs >> np.uint32(8))
    return crcs


@cache
def _table() -> NDArray[np.uint32]:
    crcs = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crcs = np.where(crcs & 1, crcs >> np.uint32(1) ^ np.uint32(_POLYNOMIAL), crcs >> np.uint32(1))
    return crcs


@cache
def _table_list() -> list[int]:
    return [int(value) for value in _table()]


@cache
def _shift_by_block() -> list[list[int]]:
    """For each byte of a sum, what it becomes after a block of zeros."""
    crcs = np.concatenate([np.arange(256, dtype=np.uint32) << np.uint32(8 * place) for place in range(4)])
    for _ in range(_BLOCK):
        crcs = _table()[crcs & 255] ^ (crcs >> np.uint32(8))
    return [[int(value) for value in part] for part in crcs.reshape(4, 256)]
