from __future__ import annotations

import time

import pytest

from edgeq.dataset.options import Ticker


def test_progress_is_told_once_a_second_from_the_second_second_on(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    known, unknown = Ticker(told.append, "reading", 200), Ticker(told.append, "running")
    for step in range(5):
        now_s = 100 + step * 0.5
        known.tell(step * 10)
        unknown.tell()
    assert told == ["reading: 10 %", "running: 3", "reading: 20 %", "running: 5"]
