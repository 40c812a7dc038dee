"""A bench of the core: when each inference began, that it ends where the host says so, and its pin."""

from __future__ import annotations

import ctypes
import time
from typing import Any

import pytest
from bundles import tiny
from ownboard import HUSH, Board
from test_core_board import serve

from edgeq.device.device import FIRST_PAUSE_S, Device
from edgeq.protocol import contract

WRAP = 1 << 32
RING = 64


class Pinned:
    """A board whose pin's edges are kept, each with the ticks it came at."""

    def __init__(self, library: ctypes.CDLL, **config: Any) -> None:
        self.edges: list[tuple[int, int]] = []
        self.board = Board(library, ticks_hz=1_000_000_000, trigger=HUSH(self._edge), **config)
        self.device: Device = serve(self.board)
        self.board.step = 1
        self.edges.clear()

    def _edge(self, _context: None, high: int) -> None:
        if high != (self.edges[-1][0] if self.edges else 0):
            self.edges.append((high, self.board.now))

    def ask_job(self, job: int, seen: int, **more: Any) -> dict[str, Any]:
        answer = self.board.ask(contract.JOB, {"job": job, "from": seen, **more})
        assert answer
        return answer


@pytest.fixture
def pinned(library: ctypes.CDLL) -> Pinned:
    return Pinned(library)


def test_the_pin_is_high_during_each_inference(pinned: Pinned) -> None:
    answer = pinned.device.bench(30, 5, 0)
    assert [high for high, _ in pinned.edges] == [1, 0] * 36
    long = [fall - rise for (_, rise), (_, fall) in zip(pinned.edges[::2], pinned.edges[1::2], strict=True)]
    told = [answer["first_ns"], *answer["warmup_ns"], *answer["invoke_ns"]]
    assert all(sample <= high for sample, high in zip(told, long, strict=True))


def test_a_pin_that_the_benchmark_raised_is_low_before_a_bench(pinned: Pinned) -> None:
    pinned.board.now += 10**9
    assert b"m-ready" in pinned.board.feed(b"name%")
    pinned.board.now += 10**9
    pinned.device.bench(3, 0, 0)
    assert [high for high, _ in pinned.edges] == [1, 0] + [1, 0] * 4


def test_the_pin_is_low_while_anything_else_is_done(pinned: Pinned) -> None:
    _, _, (inputs, _) = tiny()
    pinned.device.selftest()
    pinned.device.profile()
    pinned.device.invoke(inputs[0][0])
    assert pinned.edges == []


def test_starts_are_those_of_the_pin(pinned: Pinned) -> None:
    answer = pinned.device.bench(100, 5, 0)
    rises = [at for high, at in pinned.edges if high][6:]
    apart = [rise - answer["began_ns"] - start for rise, start in zip(rises, answer["starts_ns"], strict=True)]
    assert len(rises) == 100
    assert all(0 <= after <= 20 for after in apart)


def test_waiting_for_the_host_is_time_too(pinned: Pinned) -> None:
    """Longer than a gap can tell, which the gaps behind it make good."""
    started = pinned.board.ask(contract.BENCH, {"runs": 200, "warmup": 0, "threads": 0})
    assert started
    waited = 0
    for _ in range(3):
        pinned.board.now += WRAP // 2
        waited += WRAP // 2
        pinned.board.feed(b"")
    before = pinned.ask_job(started["job"], 0)
    assert RING - 2 <= len(before["samples"]) == len(before["gaps"]) <= RING
    assert max(before["gaps"]) < 1000
    assert pinned.ask_job(started["job"], len(before["samples"]))["samples"] == []
    after = pinned.ask_job(started["job"], len(before["samples"]))
    gaps = after["gaps"]
    assert gaps[0] == WRAP - 1
    assert waited <= gaps[0] + gaps[1] < waited + 1000
    assert max(gaps[2:]) < 1000
    assert after["clock_ns"] > waited


def test_it_ends_where_the_host_says_so(pinned: Pinned) -> None:
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 3

    answer = pinned.device.bench(100_000, 10, 0, stopped=stopped)
    done = 10 + len(answer["invoke_ns"])
    assert answer["ended_by"] == "stopped"
    assert 2 * (RING - 2) <= done <= 4 * RING
    assert [high for high, _ in pinned.edges] == [1, 0] * (1 + done)
    assert pinned.device.bench(20, 0, 0)["ended_by"] == "runs"


def test_it_may_end_in_its_warm_up(pinned: Pinned) -> None:
    answer = pinned.device.bench(10, 100_000, 0, stopped=lambda: True)
    assert answer["invoke_ns"] == answer["starts_ns"] == []
    assert RING - 2 <= len(answer["warmup_ns"]) <= 2 * RING


def test_a_board_that_waits_is_asked_again_soon(pinned: Pinned, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    pinned.device.bench(2000, 0, 0)
    assert len(pauses) > 20
    assert set(pauses[:20]) == {FIRST_PAUSE_S}


@pytest.mark.parametrize("key", [{"stop": False}, {"stop": 1}, {"stop": None}, {}])
def test_nothing_but_true_stops_it(pinned: Pinned, key: dict[str, Any]) -> None:
    started = pinned.board.ask(contract.BENCH, {"runs": 100, "warmup": 0, "threads": 0})
    assert started
    seen = 0
    for _ in range(10):
        state = pinned.ask_job(started["job"], seen, **key)
        seen += len(state["samples"])
    assert (state["state"], seen) == ("done", 100)


def test_a_time_that_never_passes_on_the_device_is_waited_for_on_the_host(library: ctypes.CDLL) -> None:
    board = Board(library)
    device = serve(board)
    answer = device.bench(10**6, 5, 0, seconds=0.3, sustained=True)
    assert answer["ended_by"] == "seconds"
    assert 0.3 <= answer["host_s"] < 5
    assert len(answer["clock"]) > 2
    assert len({device_ns for device_ns, *_ in answer["clock"]}) == 1


def test_where_instructions_are_counted_nothing_tells_a_time(library: ctypes.CDLL) -> None:
    pinned = Pinned(library, instructions_num=40, instructions_den=64)
    started = pinned.board.ask(contract.BENCH, {"runs": 3, "warmup": 0, "threads": 0})
    assert started
    assert set(pinned.ask_job(started["job"], 0)) == {"state", "note", "samples"}
    answer = pinned.device.bench(100_000, 0, 0, stopped=lambda: True)
    assert answer["ended_by"] == "stopped"
    assert 0 < len(answer["invoke_instructions"]) < 100_000
    assert answer["clock"] == []
    assert not any(key.endswith("_ns") for key in answer)
    assert [high for high, _ in pinned.edges][-2:] == [1, 0]
