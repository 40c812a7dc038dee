"""Rounds of benches on devices that know runs alone."""

from __future__ import annotations

from typing import Any, cast

from edgeq.device.benching import bench
from edgeq.run import Plan

EACH_NS = 100_000_000


class Board:
    """A device whose inferences take 95 or 105 ms in turn."""

    address = "x:"

    def __init__(self) -> None:
        self.rounds: list[int] = []

    def describe(self) -> dict[str, Any]:
        return {}

    def sensors(self) -> dict[str, Any]:
        return {}

    def job(self, _command: Any, body: dict[str, Any], _progress: Any, *, take: Any) -> dict[str, Any]:
        self.rounds.append(body["runs"])
        take({"samples": [EACH_NS + (5_000_000 if i % 2 else -5_000_000) for i in range(body["runs"])]}, 0.0, 0.0)
        return {"warmup": 0, "before": {}, "after": {}}


def test_without_a_time_rounds_stay_as_long_as_they_were() -> None:
    board = Board()
    found = bench(cast(Any, board), Plan(300, 0, 0, rel_error=0.0001), lambda _: None)
    assert found["ended_by"] == "runs"
    assert sum(board.rounds) == len(found["invoke_ns"]) == 300
    assert min(board.rounds[:-1]) >= 9
