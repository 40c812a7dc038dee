"""A bench for a time on a device that knows runs alone, and whose clock stands still."""

from __future__ import annotations

from typing import Any, cast

import pytest

from edgeq.device.benching import bench
from edgeq.run import Plan


class Frozen:
    """A device whose clock stands still after so many inferences."""

    address = "x:"

    def __init__(self, sound: int) -> None:
        self.sound, self.asked = sound, 0

    def describe(self) -> dict[str, Any]:
        return {}

    def sensors(self) -> dict[str, Any]:
        return {}

    def job(self, _command: Any, body: dict[str, Any], _progress: Any, *, take: Any) -> dict[str, Any]:
        assert self.asked <= 2000, "it would go on for ever"
        runs, before = min(body["runs"], 1000), self.asked
        self.asked += runs
        take({"samples": [10**6 if before + i < self.sound else 0 for i in range(runs)]}, 0.0, 0.0)
        return {"warmup": 0, "before": {}, "after": {}}


@pytest.mark.parametrize("sound", [0, 10, 15])
def test_no_time_is_waited_for_that_does_not_pass(sound: int) -> None:
    device = Frozen(sound)
    found = bench(cast(Any, device), Plan(10**6, 0, 0, seconds=5.0, sustained=True), lambda _: None)
    assert len(found["invoke_ns"]) == len(found["starts_ns"]) == device.asked
    assert min(found["invoke_ns"]) == 0  # for which a run is invalid
