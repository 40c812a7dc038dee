"""The core's clock: it goes on where the counter wraps, and only where the counter counts time."""

from __future__ import annotations

import ctypes
from fractions import Fraction
from math import floor

import pytest
from ownboard import Board

from edgeq.protocol import contract

WRAP = 1 << 32


@pytest.mark.parametrize("ticks_hz", [1000, 32_768, 48_000_000, 480_000_000, 3_000_000_000])
def test_it_goes_on_where_the_counter_wraps(library: ctypes.CDLL, ticks_hz: int) -> None:
    board = Board(library, ticks_hz=ticks_hz)
    passed = 0
    for step in (1, WRAP - 7, 7, 3 * WRAP // 4, WRAP // 2, 5, *(WRAP - 1,) * 40):
        board.now += step
        passed += step
        answer = board.ask(contract.SENSORS, {})
        assert answer == {"clock_ns": floor(Fraction(passed * 10**9, ticks_hz) + Fraction(1, 2))}


def test_a_counter_of_instructions_tells_no_time(library: ctypes.CDLL) -> None:
    board = Board(library, instructions_num=40, instructions_den=64)
    board.now += 1000
    assert board.ask(contract.SENSORS, {}) == {}
