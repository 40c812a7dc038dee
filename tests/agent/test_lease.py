"""One connection at a time may change releases; no hold outlives its holder."""

from __future__ import annotations

import threading
import time

import pytest

from edgeq.agent.errors import Refused
from edgeq.agent.jobs import Job
from edgeq.agent.lease import LONGEST_WHO, SILENCE_S, Lease
from edgeq.protocol.status import Status


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Host:
    """Anything that can be referred to."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_second_is_told_who_holds_it_and_for_how_long(clock: Clock) -> None:
    lease, alice, bob = Lease(clock), Host(), Host()
    lease.check(bob)
    lease.take(alice, "alice@laptop deploys digits\n\x1b")
    clock.now_s += 12
    lease.take(alice, "alice@laptop deploys digits")
    for refused in (lambda: lease.check(bob), lambda: lease.take(bob, "bob")):
        with pytest.raises(Refused) as no:
            refused()
        assert (no.value.status, no.value.reason) == (Status.BUSY, "alice@laptop deploys digits since 12 s")
    lease.check(alice)


def test_it_ends_with_its_connection_or_when_it_is_given_back(clock: Clock) -> None:
    lease, alice, bob = Lease(clock), Host(), Host()
    lease.take(alice, "alice")
    lease.drop(bob)
    lease.take(alice, "")
    lease.take(bob, "bob")
    lease.drop(bob)
    lease.take(alice, "a" * 1000)
    with pytest.raises(Refused) as no:
        lease.check(bob)
    assert len(no.value.reason) < LONGEST_WHO + 20
    del alice
    lease.check(bob)


def test_silence_ends_it_unless_its_job_runs(clock: Clock) -> None:
    lease, alice, bob, job = Lease(clock), Host(), Host(), Job(1)
    lease.take(alice, "alice")
    clock.now_s += SILENCE_S - 1
    lease.heard(alice)
    lease.works(alice, job)
    clock.now_s += 10 * SILENCE_S
    with pytest.raises(Refused):
        lease.check(bob)
    job.finished.set()
    lease.check(bob)
    lease.take(bob, "bob")
    lease.heard(alice)
    lease.drop(alice)  # too late: it is somebody else's
    with pytest.raises(Refused, match="bob"):
        lease.check(alice)


def test_whoever_waits_gets_it_when_it_is_free() -> None:
    lease, alice, bob = Lease(), Host(), Host()
    lease.take(alice, "alice")
    start = time.monotonic()
    threading.Timer(0.3, lease.drop, (alice,)).start()
    lease.take(bob, "bob", 30)
    assert 0.2 < time.monotonic() - start < 30
    with pytest.raises(Refused, match="bob since"):
        lease.take(alice, "alice", 0.2)


def test_of_many_that_want_it_exactly_one_has_it() -> None:
    lease, hosts, won = Lease(), [Host() for _ in range(20)], []

    def race(index: int) -> None:
        try:
            lease.take(hosts[index], str(index))
        except Refused:
            return
        won.append(index)

    threads = [threading.Thread(target=race, args=(index,)) for index in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
