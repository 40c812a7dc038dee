"""A watch ends a trial once, for a reason, and never before everything that the policy asks for has come."""

from __future__ import annotations

import threading
import time

import pytest
from agents import until
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.agent.errors import Refused
from edgeq.agent.watch import Watch, Watcher
from edgeq.protocol.status import Status
from edgeq.transaction.confirm import ConfirmPolicy


def test_everything_that_the_policy_asks_for_is_waited_for() -> None:
    watch = Watch(2, ConfirmPolicy(window_s=10, good=2, manual=True))
    assert watch.left_s(1e9) == 10
    watch.began_s = 100.0
    assert watch.waits(104.0) == ["for 2 more good inferences", "for another 6 s", "to be confirmed"]
    watch.count(1, 0, "")
    assert watch.waits(111.0) == ["for 1 more good inference", "to be confirmed"]
    watch.approved = True
    assert watch.waits(104.0) == ["for 1 more good inference"]
    watch.count(5, 0, "")
    assert watch.waits(104.0) == []
    assert watch.success(104.0) == "served 4 s, 6 good inferences, confirmed"


@pytest.mark.parametrize(("limit", "bad", "failed"), [(1, 1, True), (3, 2, False), (3, 3, True), (0, 999, False)])
def test_the_bad_inference_that_is_one_too_many(limit: int, bad: int, failed: bool) -> None:
    watch = Watch(2, ConfirmPolicy(window_s=10, bad=limit))
    for _ in range(bad):
        watch.count(0, 1, "it crashed")
    assert bool(watch.failed) == failed
    assert not failed or watch.failed == f"{bad} bad inference{'s' * (bad > 1)}: it crashed"


@settings(max_examples=200)
@given(
    st.builds(
        ConfirmPolicy,
        window_s=st.sampled_from([0.0, 5.0]),
        good=st.integers(0, 3),
        bad=st.integers(0, 3),
        manual=st.booleans(),
    ),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.booleans(), st.floats(0, 3)), max_size=12),
)
def test_it_never_ends_well_too_early_nor_forgets_a_failure(
    policy: ConfirmPolicy, events: list[tuple[int, int, bool, float]]
) -> None:
    watch, now, good, bad, approved = Watch(1, policy, began_s=50.0), 50.0, 0, 0, False
    for more, worse, yes, wait in events:
        watch.count(more, worse, "")
        watch.approved, approved = watch.approved or yes, approved or yes
        good, bad, now = good + more, bad + worse, now + wait
        assert bool(watch.failed) == bool(policy.bad and bad >= policy.bad)
        window = approved or now - 50.0 >= policy.window_s
        assert (not watch.waits(now)) == (good >= policy.good and window and (approved or not policy.manual))


class Ends:
    """What a watcher decided, and the commands it ran."""

    def __init__(self, sick_after: int = 1 << 30, fail: int = 0) -> None:
        self.found: list[tuple[int, bool, str]] = []
        self.examined = 0
        self.sick_after, self.fail = sick_after, fail
        self.over = threading.Event()
        self.watcher = Watcher(self.health, self.end)

    def health(self, _n: int) -> None:
        self.examined += 1
        if self.examined > self.sick_after:
            raise Refused(Status.GATE, "health ended with exit code 1")

    def end(self, n: int, good: bool, why: str) -> None:
        if self.fail:
            self.fail -= 1
            raise OSError("no space")
        self.found.append((n, good, why))
        self.watcher.drop()
        self.over.set()

    def begin(self, policy: ConfirmPolicy) -> None:
        self.watcher.open(3, policy)
        self.watcher.begin()


def test_a_window_ends_by_itself() -> None:
    ends = Ends()
    ends.begin(ConfirmPolicy(window_s=1000))
    progress = ends.watcher.progress()
    assert progress is not None
    assert (progress["good"], progress["bad"], 0 < progress["left_s"] <= 1000) == (0, 0, True)
    start = time.monotonic()
    ends.begin(ConfirmPolicy(window_s=0.4))
    assert ends.over.wait(20)
    assert time.monotonic() - start >= 0.4
    assert ends.found[0][:2] == (3, True)
    assert ends.watcher.progress() is None


def test_good_inferences_end_it_and_those_of_another_release_do_not_count() -> None:
    ends = Ends()
    ends.begin(ConfirmPolicy(good=3))
    ends.watcher.count(2, good=9, bad=9)
    ends.watcher.count(3, good=2)
    assert not ends.over.wait(0.3)
    ends.watcher.count(3, good=1)
    assert ends.over.wait(20)
    assert ends.found[0][1:] == (True, ends.found[0][2])
    assert "3 good inferences" in ends.found[0][2]


def test_a_bad_one_ends_it_at_once() -> None:
    ends = Ends()
    ends.begin(ConfirmPolicy(window_s=1000))
    ends.watcher.count(3, bad=1, why="killed by SIGSEGV")
    assert ends.over.wait(20)
    assert ends.found == [(3, False, "1 bad inference: killed by SIGSEGV")]


def test_health_is_asked_during_the_window_and_before_its_end() -> None:
    ends = Ends()
    ends.begin(ConfirmPolicy(good=1, health=("x",), health_every_s=0.1))
    until(lambda: ends.examined >= 2)
    assert not ends.over.is_set()
    ends.watcher.count(3, good=1)
    assert ends.over.wait(20)
    last = Ends()
    last.begin(ConfirmPolicy(window_s=0.2, health=("x",)))
    assert last.over.wait(20)
    assert (last.examined, last.found[0][1], "healthy" in last.found[0][2]) == (1, True, True)


def test_a_sick_application_ends_it_badly() -> None:
    ends = Ends(sick_after=1)
    ends.begin(ConfirmPolicy(window_s=1000, health=("x",), health_every_s=0.1))
    assert ends.over.wait(20)
    assert ends.found == [(3, False, "health ended with exit code 1")]


def test_people_end_what_waits_for_time_or_people_and_nothing_else() -> None:
    ends = Ends()
    ends.watcher.open(3, ConfirmPolicy(manual=True, window_s=1000, good=1))
    assert ends.watcher.approve(3) == (False, "is still being tested")
    ends.watcher.begin()
    assert ends.watcher.approve(2) == (False, "is still being tested")
    assert ends.watcher.approve(3) == (False, "waits for 1 more good inference")
    ends.watcher.count(3, good=1)
    assert not ends.over.wait(0.2)
    assert ends.watcher.approve(3)[0]
    assert ends.over.wait(20)


def test_an_end_that_cannot_be_written_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.agent.watch.RETRY_S", 0.1)
    ends = Ends(fail=3)
    ends.watcher.open(3, ConfirmPolicy(window_s=1000))
    ends.watcher.begin(failed="the disk is full")
    assert ends.over.wait(20)
    assert ends.found == [(3, False, "the disk is full")]


def test_a_watch_that_is_dropped_decides_nothing() -> None:
    ends = Ends()
    ends.watcher.open(3, ConfirmPolicy(window_s=0.2))
    with ends.watcher._changed:  # Else it might end before, where this thread is stopped for a while.
        ends.watcher.begin()
        ends.watcher.drop()
    assert not ends.over.wait(0.5)
