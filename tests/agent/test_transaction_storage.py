"""The storage fails in the middle of a transaction: what serves afterwards is what was told."""

from __future__ import annotations

import errno
import os
import time

import pytest
from tried import SAMPLE, WAIT_S, Lab, golden, serving, until

from edgeq.errors import DeviceError
from edgeq.protocol.status import Status
from edgeq.transaction.confirm import ConfirmPolicy


class Trouble:
    """The n-th fsync from now on fails, and `more` after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, more: int = 0) -> None:
        self.at, self.more, self.calls = at, more, 0
        self.real = os.fsync
        monkeypatch.setattr(os, "fsync", self.fsync)

    def fsync(self, fd: int) -> None:
        self.calls += 1
        if self.at <= self.calls <= self.at + self.more:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.real(fd)


def told_truth(lab: Lab, message: str) -> None:
    n = serving(lab)
    assert "storage failed" in message
    assert f"release {n} serves" in message


@pytest.mark.parametrize("more", [0, 1, 1000])
@pytest.mark.parametrize("at", range(1, 7))
def test_an_activation_during_which_the_storage_fails_tells_what_serves(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, at: int, more: int
) -> None:
    monkeypatch.setattr("edgeq.agent.watch.RETRY_S", 0.1)
    bundle = lab.bundle()
    n = lab.install(bundle)
    with lab.device() as device, monkeypatch.context() as patch:
        trouble = Trouble(patch, at, more)
        try:
            answer = device.activate(n)
        except DeviceError as error:
            assert error.status == Status.IO
            deadline = time.monotonic() + WAIT_S
            while more < 1000 and lab.releases()["trial"] is not None and time.monotonic() < deadline:
                time.sleep(0.02)
            if more < 1000 or lab.releases()["trial"] is None:
                told = error.message.replace(" on trial", "")
                assert any(f"release {m} serves" in told for m in (1, n))
        else:
            assert (answer["state"], serving(lab)) == ("confirmed", n)
            assert not at <= trouble.calls <= at + more, "acknowledged though the last fsync had failed"
    until(lambda: lab.releases()["trial"] is None)
    assert serving(lab) in (1, n)
    with lab.device() as device:
        assert device.invoke(SAMPLE)
        if lab.state(n) == "bad":
            n = lab.install(bundle)
        assert device.activate(n)["state"] == "confirmed"
    assert serving(lab) == n


def test_a_start_that_cannot_be_counted_serves_what_was_confirmed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = lab.bundle(ConfirmPolicy(window_s=1000))
    lab.activate(bundle)
    with monkeypatch.context() as patch:
        Trouble(patch, 1, 1000)
        lab.start_anew()
        assert (lab.state(2), lab.releases()["trial"]) == ("staged", None)
        assert "could not count it" in lab.entry(2)["why"]
        with lab.device() as device:
            assert device.invoke(SAMPLE)
    assert lab.service.transaction.serving.number == 1
    assert lab.activate(bundle) == {"n": 2, "state": "trial", **golden()}
    assert serving(lab) == 2


@pytest.mark.parametrize("allowed", [0, 1])
def test_a_start_too_many_that_cannot_be_written_is_no_end_of_the_agent(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(window_s=1000, starts=allowed)))
    for _ in range(allowed):
        lab.start_anew()
        until(lambda: not lab.service.jobs.busy)
    with monkeypatch.context() as patch:
        Trouble(patch, 1, 1000)
        lab.start_anew()
        assert (lab.releases()["trial"], lab.service.transaction.serving.number) == (None, 1)
        with lab.device() as device:
            assert device.invoke(SAMPLE)


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_rollback_during_which_the_storage_fails_tells_what_serves(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    lab.activate(lab.bundle())
    with lab.device() as device:
        device.invoke(SAMPLE)
        with monkeypatch.context() as patch:
            trouble = Trouble(patch, at)
            try:
                assert device.rollback() == 1
            except DeviceError as error:
                told_truth(lab, error.message)
            else:
                assert trouble.calls < at
        assert device.invoke(SAMPLE)
        if serving(lab) == 2:
            assert device.rollback() == 1
    assert serving(lab) == 1
