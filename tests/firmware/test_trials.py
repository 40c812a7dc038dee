"""Trials of a microcontroller: what ends one well, what ends it badly, and what a restart leaves of it."""

from __future__ import annotations

import ctypes
import hashlib
from typing import Any

import pytest
from bundles import tiny
from mcu import make_image
from ownboard import Board

from edgeq.device.device import Device
from edgeq.errors import DeviceError
from edgeq.micro.policy import policy_bytes
from edgeq.protocol import contract, smp
from edgeq.protocol.status import Status
from edgeq.transaction.confirm import ConfirmPolicy

HZ = 1000
"""Ticks of `Board`."""
INPUT = tiny()[2][0][0][0]


def image_of(policy: ConfirmPolicy | None = None, **spoilt: Any) -> bytes:
    """One that holds this policy."""

    def edit(image: bytearray) -> None:
        image[84:96] = bytes(12) if policy is None else policy_bytes(policy)

    return make_image(edit=edit, **spoilt)


def install(device: Device, image: bytes) -> None:
    """As stock tools do: the image, then the wish to use it."""
    digest = hashlib.sha256(image).digest()
    for offset in range(0, len(image), 1000):
        body = {"off": offset, "len": len(image), "sha": digest, "data": image[offset : offset + 1000]}
        device.client.request((smp.WRITE, smp.GROUP_IMAGE, 1), body)
    device.client.request((smp.WRITE, smp.GROUP_IMAGE, 0), {"hash": digest, "confirm": True})


def begin(library: ctypes.CDLL, policy: ConfirmPolicy) -> tuple[Board, Device]:
    """A board on which one release serves and the next one, with this policy, is on trial."""
    board = Board(library)
    device = board.device()
    install(device, image_of())
    install(device, image_of(policy, name="next"))
    assert states(device) == ["confirmed", "trial"]
    return board, device


def told(device: Device) -> dict[str, Any]:
    return device.client.request(contract.RELEASES, {})


def states(device: Device) -> list[str]:
    return [item["state"] for item in told(device)["releases"]]


def why(device: Device) -> str:
    (bad,) = (item for item in told(device)["releases"] if item["state"] == "bad")
    return str(bad["why"])


def pass_time(board: Board, seconds: float) -> None:
    """In steps that a counter which wraps can count."""
    for _ in range(round(seconds)):
        board.now += HZ
        board.feed(b"")


def test_a_plain_policy_confirms_after_the_self_test(library: ctypes.CDLL) -> None:
    device = Board(library).device()
    install(device, image_of(ConfirmPolicy()))
    assert (states(device), "watch" in told(device)) == (["confirmed"], False)


def test_a_trial_waits_for_its_window(library: ctypes.CDLL) -> None:
    board, device = begin(library, ConfirmPolicy(window_s=5))
    assert told(device)["watch"] == {"good": 0, "bad": 0, "starts": 0, "left_s": 5}
    assert (told(device)["current"], told(device)["trial"]) == (1, 2)
    pass_time(board, 3)
    assert told(device)["watch"]["left_s"] == 2
    pass_time(board, 3)
    assert states(device) == ["confirmed", "confirmed"]
    assert told(device)["current"] == 2
    board.restart()
    assert told(device)["current"] == 2


def test_a_trial_waits_for_inferences(library: ctypes.CDLL) -> None:
    board, device = begin(library, ConfirmPolicy(good=3))
    device.invoke(INPUT, 1)  # the former release's do not count
    for good in range(3):
        pass_time(board, 60)
        assert told(device)["watch"]["good"] == good
        device.invoke(INPUT)
    pass_time(board, 1)
    assert states(device) == ["confirmed", "confirmed"]


def test_a_trial_survives_restarts_and_counts_anew(library: ctypes.CDLL) -> None:
    board, device = begin(library, ConfirmPolicy(window_s=10, starts=2))
    for start in (1, 2):
        pass_time(board, 8)
        board.restart()
        board.feed(b"")
        assert told(device)["watch"] == {"good": 0, "bad": 0, "starts": start, "left_s": 10}
        assert device.invoke(INPUT)
    pass_time(board, 11)
    assert states(device) == ["confirmed", "confirmed"]


def test_a_trial_that_restarts_too_often_is_bad(library: ctypes.CDLL) -> None:
    board, device = begin(library, ConfirmPolicy(window_s=10))
    for _ in range(3):
        board.restart()
    board.feed(b"")
    assert (states(device), told(device)["current"], told(device)["trial"]) == (["confirmed", "bad"], 1, None)
    assert "restarted" in why(device)


def test_a_trial_is_tested_again_after_a_restart(library: ctypes.CDLL) -> None:
    board, device = begin(library, ConfirmPolicy(window_s=10))
    board.restart()
    with pytest.raises(DeviceError) as no:  # the self-test goes first
        device.client.request(contract.INVOKE, {"off": 0, "len": len(INPUT), "data": INPUT, "run": 1})
    assert no.value.status == Status.BUSY
    board.feed(b"")
    device.invoke(INPUT)


def test_a_damaged_trial_is_bad_after_a_restart(library: ctypes.CDLL) -> None:
    board, device = begin(library, ConfirmPolicy(window_s=10))
    board.damage(1, 700)
    board.restart()
    assert (states(device), told(device)["current"]) == (["confirmed", "bad"], 1)
    assert "damaged" in why(device)


def test_a_job_that_fails_leaves_the_trial_alone(library: ctypes.CDLL) -> None:
    _, device = begin(library, ConfirmPolicy(window_s=10))
    with pytest.raises(DeviceError):
        device.activate(1)
    with pytest.raises(DeviceError):
        device.stage(hashlib.sha256(b"").hexdigest(), [])
    assert device.selftest()["worst"] == 0
    assert states(device) == ["confirmed", "trial"]


def test_going_back_ends_a_trial(library: ctypes.CDLL) -> None:
    _, device = begin(library, ConfirmPolicy(window_s=10))
    assert device.rollback() == 1
    assert (states(device), told(device)["current"]) == (["confirmed", "bad"], 1)
    assert "went back" in why(device)


def test_a_bad_inference_ends_a_trial(library: ctypes.CDLL) -> None:
    _, device = begin(library, ConfirmPolicy(window_s=10))

    def report(n: int, **counts: int) -> dict[str, Any]:
        return device.client.request(contract.REPORT, {"n": n, **counts})

    assert report(1, bad=4) == {"state": "confirmed"}
    assert report(2, good=4, bad=0) == {"state": "trial"}
    assert report(2, good=0, bad=1) == {"state": "bad"}
    assert (told(device)["current"], "reported" in why(device)) == (1, True)


def test_somebody_ends_the_waiting(library: ctypes.CDLL) -> None:
    _, device = begin(library, ConfirmPolicy(window_s=1000, good=1))
    for n, status in ((1, Status.STATE), (2, Status.STATE), (9, Status.NOT_FOUND)):
        with pytest.raises(DeviceError) as no:
            device.client.request(contract.CONFIRM, {"n": n})
        assert no.value.status == status
    device.invoke(INPUT)
    assert device.client.request(contract.CONFIRM, {"n": 2}) == {}
    assert states(device) == ["confirmed", "confirmed"]


@pytest.mark.parametrize(("latency_ms", "state"), [(1000, "trial"), (5, "bad")])
def test_a_slow_model_is_bad(library: ctypes.CDLL, latency_ms: float, state: str) -> None:
    board = Board(library)
    device = board.device()
    install(device, image_of())
    board.step = 10  # each op takes 10 ms
    install(device, image_of(ConfirmPolicy(window_s=1000, latency_ms=latency_ms), name="slow"))
    assert states(device) == ["confirmed", state]
    assert state == "trial" or "longer" in why(device)


def test_where_instructions_are_counted_no_model_is_slow(library: ctypes.CDLL) -> None:
    board = Board(library, instructions_num=1, instructions_den=1)
    board.step = 10
    device = board.device()
    install(device, image_of(ConfirmPolicy(latency_ms=0.001)))
    assert states(device) == ["confirmed"]


def test_the_first_release_is_tried_too(library: ctypes.CDLL) -> None:
    board = Board(library)
    device = board.device()
    install(device, image_of(ConfirmPolicy(window_s=5)))
    assert (states(device), told(device)["current"]) == (["trial"], None)
    with pytest.raises(DeviceError) as no:
        device.rollback()
    assert (no.value.status, states(device)) == (Status.STATE, ["trial"])
    pass_time(board, 6)
    assert (states(device), told(device)["current"]) == (["confirmed"], 1)


def test_a_policy_says_what_a_security_version_may_not_be_lower_than(library: ctypes.CDLL) -> None:
    board = Board(library)
    device = board.device()
    watched = bytearray(image_of(ConfirmPolicy(window_s=5)))
    watched[40] = 7
    install(device, bytes(watched))
    pass_time(board, 6)
    with pytest.raises(DeviceError):
        install(device, image_of(name="older"))
