"""Trials that the device alone ends: watched, counted, reverted."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from inmemory import connect
from tried import SAMPLE, WAIT_S, Lab, serving, until

from edgeq.agent.service import Service
from edgeq.errors import DeviceError
from edgeq.protocol import contract
from edgeq.protocol.status import Status
from edgeq.transaction.confirm import ConfirmPolicy

# the watch


def test_a_window_is_waited_for_and_then_the_device_confirms(lab: Lab) -> None:
    answer = lab.activate(lab.bundle(ConfirmPolicy(window_s=1.0)))
    assert (answer["n"], answer["state"], answer["vectors"]) == (2, "trial", 4)
    told = lab.releases()
    assert (told["current"], told["trial"], told["watch"]["bad"], told["watch"]["starts"]) == (1, 2, 0, 0)
    assert 0 < told["watch"]["left_s"] <= 1
    assert lab.service.busy
    assert lab.ended(2) == "confirmed"
    assert (serving(lab), lab.releases()["previous"]) == (2, 1)
    assert lab.entry(2)["why"].startswith("served ")
    assert "watch" not in lab.releases()
    assert not lab.service.busy


def test_inferences_here_and_reports_of_applications_count(lab: Lab) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(good=4)))
    with lab.device() as device:
        device.invoke(SAMPLE)
        device.invoke(SAMPLE, 2)
        device.invoke(SAMPLE, 1)  # of another release
        assert device.report(1, good=9) == "confirmed"
        assert lab.releases()["watch"]["good"] == 2
        device.report(2, good=2)
    assert lab.ended(2) == "confirmed"


def test_a_reported_bad_inference_reverts(lab: Lab) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(window_s=1000, bad=2)))
    with lab.device() as device:
        assert device.report(2, bad=1) == "trial"
        device.client.request(contract.REPORT, {"n": 2, "good": 0, "bad": 1, "why": "too dark\n"})
        assert lab.ended(2) == "bad"
        assert serving(lab) == 1
        assert lab.entry(2)["why"] == "2 bad inferences: too dark"
        assert device.invoke(SAMPLE)
        with pytest.raises(DeviceError) as no:
            device.activate(2)
        assert no.value.status == Status.STATE
        with pytest.raises(DeviceError) as unknown:
            device.report(9, good=1)
        assert unknown.value.status == Status.NOT_FOUND


def test_an_inference_that_fails_by_the_runtime_reverts_and_a_wrong_input_does_not(lab: Lab) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(window_s=1000)))
    with lab.device() as device:
        with pytest.raises(DeviceError):
            device.invoke(SAMPLE + b"x")
        assert lab.state(2) == "trial"
        (lab.store / "releases/2/model.tflite").unlink()
        (lab.store / "releases/2/model.tflite").write_bytes(b"no model")
        with pytest.raises(DeviceError) as no:
            device.invoke(SAMPLE)
        assert no.value.status == Status.RUNTIME
        assert lab.ended(2) == "bad"
        assert lab.entry(2)["why"].startswith("1 bad inference: ")
        assert device.invoke(SAMPLE)
    assert serving(lab) == 1


def test_the_clock_of_the_wall_has_no_say(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 4e9)
    lab.activate(lab.bundle(ConfirmPolicy(window_s=1000)))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    time.sleep(0.2)
    assert lab.state(2) == "trial"
    assert lab.releases()["watch"]["left_s"] > 900


def test_a_manual_trial_waits_for_people(lab: Lab) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(manual=True)))
    time.sleep(0.2)
    assert lab.releases()["watch"]["waits"] == "to be confirmed"
    with lab.device() as device:
        device.confirm(2)
        assert (lab.state(2), serving(lab)) == ("confirmed", 2)
        device.confirm(2)  # again, as a host does that did not hear the answer
        with pytest.raises(DeviceError, match="is not on trial; it is confirmed") as no:
            device.confirm(1)
    assert no.value.status == Status.STATE


def test_people_cannot_confirm_what_waits_for_inferences(lab: Lab) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(good=2, manual=True)))
    with lab.device() as device, pytest.raises(DeviceError, match="waits for 2 more good inferences") as no:
        device.confirm(2)
    assert (no.value.status, lab.state(2)) == (Status.STATE, "trial")


def test_health_has_the_last_word_over_people(lab: Lab) -> None:
    sick = ("/bin/sh", "-c", "echo the app is down; exit 3")
    lab.activate(lab.bundle(ConfirmPolicy(manual=True, health=sick, health_every_s=1000)))
    with lab.device() as device:
        device.confirm(2)
    assert lab.ended(2) == "bad"
    assert lab.entry(2)["why"] == "health ended with exit code 3: the app is down"
    assert serving(lab) == 1


def test_a_trial_that_is_on_is_not_disturbed_by_another(lab: Lab) -> None:
    first = lab.bundle(ConfirmPolicy(window_s=1000))
    lab.activate(first)
    other = lab.install(lab.bundle())
    with lab.device() as device:
        with pytest.raises(DeviceError, match="release 2 is on trial") as no:
            device.activate(other)
        assert no.value.status == Status.STATE
        assert device.activate(lab.install(first)) == {"n": 2, "state": "trial"}
        assert device.rollback() == 1
    assert (lab.state(2), lab.entry(2)["why"]) == ("bad", "rolled back on request")
    assert serving(lab) == 1


def test_the_first_release_of_all_may_fail_too(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.activate(lab.bundle(ConfirmPolicy(window_s=1000)))
    with lab.device() as device:
        with pytest.raises(DeviceError) as no:
            device.rollback()
        assert no.value.status == Status.STATE
        device.report(1, bad=1)
        assert lab.ended(1) == "bad"
        assert serving(lab) is None
        with pytest.raises(DeviceError) as none:
            device.invoke(SAMPLE)
        assert none.value.status == Status.STATE
    assert lab.activate(lab.bundle())["n"] == 2
    assert serving(lab) == 2
    lab.service.close()


# starts of the agent


def test_a_start_within_the_allowance_tests_and_watches_again(lab: Lab) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(good=2, starts=2)))
    with lab.device() as device:
        device.report(2, good=1)
    lab.start_anew()
    until(lambda: not lab.service.jobs.busy)
    watch = lab.releases()["watch"]
    assert (watch["good"], watch["starts"]) == (0, 1)
    assert serving(lab) == 2
    with lab.device() as device:
        device.report(2, good=2)
    assert lab.ended(2) == "confirmed"


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_one_start_too_many_reverts_before_anything_runs(lab: Lab, allowed: int) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(window_s=1000, starts=allowed)))
    for _ in range(allowed):
        lab.start_anew()
        assert lab.state(2) == "trial"
        until(lambda: not lab.service.jobs.busy)
    lab.start_anew()
    assert lab.state(2) == "bad"
    times = "once" if allowed == 0 else f"{allowed + 1} times"
    assert lab.entry(2)["why"] == f"the agent started {times} during the trial"
    assert serving(lab) == 1
    lab.start_anew()  # no second rollback
    assert (serving(lab), lab.state(1)) == (1, "confirmed")


def test_an_end_in_good_order_does_not_count(lab: Lab) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(window_s=1000, starts=0)))
    for _ in range(2):
        lab.service.close()
        lab.service = Service(lab.store)
        until(lambda: not lab.service.jobs.busy)
        assert (lab.state(2), lab.releases()["watch"]["starts"]) == ("trial", 0)


def test_a_release_that_rotted_is_not_run_again_after_a_start(lab: Lab) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(window_s=1000)))
    golden = lab.store / "releases/2/golden.cbor"
    golden.unlink()  # the blob of the same name goes on being shared
    golden.write_bytes(b"")
    lab.start_anew()
    assert lab.ended(2) == "bad"
    assert "golden.cbor is not what was installed" in lab.entry(2)["why"]
    assert serving(lab) == 1
    manifest = lab.bundle(ConfirmPolicy(window_s=1000))
    n = lab.activate(manifest)["n"]
    manifest_file = lab.store / f"releases/{n}/manifest.json"
    manifest_file.unlink()
    manifest_file.write_bytes(b"{}")
    lab.start_anew()
    assert (lab.state(n), serving(lab)) == ("bad", 1)
    assert "manifest.json is not what was installed" in lab.entry(n)["why"]


# commands


def test_applications_are_told_of_every_release_that_begins_to_serve(lab: Lab) -> None:
    told = ConfirmPolicy(on_activate=lab.teller())
    lab.activate(lab.bundle(told))
    assert lab.was_told() == "2 "
    lab.activate(lab.bundle(ConfirmPolicy(window_s=1000, on_activate=lab.teller())))
    assert lab.was_told() == "2 3 "
    with lab.device() as device:
        device.report(3, bad=1)
        assert lab.ended(3) == "bad"
        until(lambda: lab.was_told() == "2 3 2 ")
        device.rollback()
    assert lab.was_told() == "2 3 2 1 ", "release 1 has no command: that of release 2 tells"


def test_applications_that_do_not_start_with_it_revert_it(lab: Lab) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(on_activate=lab.teller())))
    broken = ("/bin/sh", "-c", "echo cannot load; exit 1")
    with pytest.raises(DeviceError, match="on_activate ended with exit code 1: cannot load") as no:
        lab.activate(lab.bundle(ConfirmPolicy(window_s=1000, on_activate=broken)))
    assert no.value.status == Status.GATE
    assert (lab.state(3), serving(lab)) == ("bad", 2)
    assert lab.was_told() == "2 2 "


def test_a_command_that_fails_during_a_rollback_is_told_and_does_not_stop_it(lab: Lab) -> None:
    once = ("/bin/sh", "-c", 'test "$EDGEQ_N" = 2 || { echo no; exit 4; }')
    lab.activate(lab.bundle(ConfirmPolicy(on_activate=once)))
    job = lab.service.rollback()
    assert job.finished.wait(WAIT_S)
    assert job.result is not None
    assert (job.result["n"], job.result["on_activate"]) == (1, "on_activate ended with exit code 4: no")
    assert serving(lab) == 1


def test_a_command_that_a_crash_interrupted_runs_after_the_start(lab: Lab) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(on_activate=lab.teller())))
    state = json.loads((lab.store / "state").read_text())
    (lab.store / "state").write_text(json.dumps({**state, "told": 1}))
    lab.start_anew()
    until(lambda: lab.was_told() == "2 2 ")
    until(lambda: not lab.service.jobs.busy)
    lab.start_anew()
    time.sleep(0.2)
    assert lab.was_told() == "2 2 "


# gates


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (ConfirmPolicy(latency_ms=1e-6), "ms here (median of"),
        (ConfirmPolicy(memory_bytes=1000), "bytes of memory; the policy allows 1000"),
    ],
    ids=["latency", "memory"],
)
def test_a_release_that_is_too_slow_or_too_large_never_serves(lab: Lab, policy: ConfirmPolicy, said: str) -> None:
    with pytest.raises(DeviceError) as no:
        lab.activate(lab.bundle(policy))
    assert (no.value.status, said in no.value.message) == (Status.GATE, True)
    assert (lab.state(2), said in lab.entry(2)["why"], serving(lab)) == ("staged", True, 1)


def test_what_the_gates_measured_is_told(lab: Lab) -> None:
    answer = lab.activate(lab.bundle(ConfirmPolicy(latency_ms=1e5, memory_bytes=1 << 33)))
    assert 0 < answer["latency_ms"] < 1e5
    assert 1 << 20 < answer["memory_bytes"] < 1 << 33


# security version


def test_an_older_security_version_is_refused_and_what_was_confirmed_here_is_not(lab: Lab) -> None:
    assert lab.activate(lab.bundle(security_version=3))["state"] == "confirmed"
    with pytest.raises(DeviceError, match="security version 2, and 3 was confirmed") as no:
        lab.install(lab.bundle(security_version=2))
    assert no.value.status == Status.STATE
    with lab.device() as device:
        assert device.rollback() == 1
        assert device.activate(2)["state"] == "confirmed"
        assert device.activate(1)["state"] == "confirmed"


def test_a_trial_that_failed_raises_no_security_version(lab: Lab) -> None:
    older = lab.install(lab.bundle(security_version=1))
    lab.activate(lab.bundle(ConfirmPolicy(window_s=1000), security_version=9))
    with lab.device() as device:
        device.rollback()
        assert device.activate(older)["state"] == "confirmed"
        staged = lab.install(lab.bundle(security_version=1))
        lab.activate(lab.bundle(security_version=5))
        with pytest.raises(DeviceError, match="security version 1"):
            device.activate(staged)


# verify and describe


def test_verify_names_what_is_damaged(lab: Lab) -> None:
    lab.activate(lab.bundle())
    with lab.device() as device:
        found = device.verify()
        assert list(found["releases"]) == [{"n": 1, "sound": True}, {"n": 2, "sound": True}]
        assert (found["vectors"], found["worst"]) == (4, 0)
        golden = lab.store / "releases/1/golden.cbor"
        golden.unlink()
        assert device.verify()["releases"][0] == {
            "n": 1, "sound": False, "why": "release 1: golden.cbor is not what was installed"
        }  # fmt: skip
        model = lab.store / "releases/2/model.tflite"
        model.write_bytes(b"\0" + model.read_bytes()[1:])
        found = device.verify()
        assert ([item["sound"] for item in found["releases"]], "vectors" in found) == ([False, False], False)


def test_the_agent_says_what_it_keeps_and_whether_it_asks_for_signatures(lab: Lab) -> None:
    facts = lab.service.describe()
    assert (facts["signed"], facts["trust_version"], facts["keep"]) == (False, 0, 5)
    assert isinstance(facts["findings"], list)


def test_the_way_back_from_one_trial_does_not_undo_the_next(lab: Lab) -> None:
    """The former model loads slowly while another release is activated: that one serves in the end."""
    third = lab.install(lab.bundle())
    serving_, slow = lab.service.transaction.serving, threading.Event()
    with lab.device() as device:
        device.invoke(SAMPLE)
    second = lab.activate(lab.bundle(ConfirmPolicy(window_s=1000)))["n"]
    opened = serving_._opened

    def opens(n: int) -> Any:
        if n == 1:
            slow.wait(WAIT_S)
        return opened(n)

    for loaded in list(serving_._all.values()):
        if loaded.n == 1:
            loaded.close()  # As after some seconds without requests for it.
    serving_._opened = opens
    lab.service.report(second, 0, 1, "a wrong picture")
    until(lambda: lab.state(second) == "bad")
    job = lab.service.activate(third)
    until(lambda: job.finished.is_set() or lab.state(third) == "trial")
    time.sleep(0.3)
    slow.set()
    assert job.finished.wait(WAIT_S)
    assert lab.state(third) == "confirmed"
    until(lambda: all(thread.name != f"trial-{second}" for thread in threading.enumerate()))
    assert serving(lab) == third


def test_counts_of_applications_do_not_grow_beyond_an_answer(lab: Lab) -> None:
    lab.activate(lab.bundle(ConfirmPolicy(window_s=1000, bad=0)))
    for _ in range(5):
        lab.service.report(2, (1 << 32) - 1, (1 << 32) - 1, "")
    assert lab.releases()["watch"]["good"] < 1 << 33


def test_nobody_goes_back_to_what_was_tried_again_and_found_bad(lab: Lab) -> None:
    again = lab.bundle(ConfirmPolicy(good=1))
    lab.activate(again)
    with lab.device() as device:
        device.invoke(SAMPLE)
        assert lab.ended(2) == "confirmed"
        device.rollback()
        assert lab.releases()["previous"] == 2
        device.activate(2)
        device.report(2, bad=1)
        assert lab.ended(2) == "bad"
        assert (serving(lab), lab.releases()["previous"]) == (1, None)
        with pytest.raises(DeviceError, match="no earlier release"):
            device.rollback()
        assert device.invoke(SAMPLE)


def test_a_rollback_is_one_request_and_one_load(lab: Lab) -> None:
    """Nothing that takes longer is part of it; how long it takes, `benchmarks/rollback.py` measures."""
    lab.activate(lab.bundle())
    serving_ = lab.service.transaction.serving
    asked, loads, opened = list[tuple[int, int, int]](), list[int](), serving_._opened

    def opens(n: int) -> Any:
        loads.append(n)
        return opened(n)

    with connect(lab.service, asked=asked) as device:
        device.invoke(SAMPLE)
        (was,) = (loaded.process(opened) for loaded in serving_._all.values())
        serving_._opened = opens
        asked.clear()
        assert device.rollback() == 1
        assert (asked.count(contract.ROLLBACK), set(asked)) == (1, {contract.ROLLBACK, contract.JOB})
        assert device.invoke(SAMPLE)
    assert (loads, was.alive) == ([1], True)  # the one that served is not restarted: a request may be under way
