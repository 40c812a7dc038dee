"""Models are swapped under load: nothing fails, nothing is refused, and what is not used any longer is let go."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from agents import until
from bundles import make_bundle, tiny
from inmemory import connect

from edgeq.agent import serving
from edgeq.agent.errors import Ending, Refused
from edgeq.agent.service import Service
from edgeq.bundle import Bundle
from edgeq.client import Model
from edgeq.device.agentfile import agent_path
from edgeq.device.device import Device
from edgeq.link.program import ProgramLink
from edgeq.protocol.status import Status
from edgeq.transaction.confirm import ConfirmPolicy

SAMPLE = b"".join(tiny()[2][0][0])
WANTED = b"".join(tiny()[2][1][0])


@pytest.fixture
def service(service: Service, tmp_path: Path) -> Service:
    """Two releases, the first of which serves."""
    with connect(service) as device:
        for index in (1, 2):
            bundle = make_bundle(tmp_path / f"b{index}", name=f"m{index}")
            fill(service, bundle)
            assert device.stage(bundle.digest, []) == index
        device.activate(1)
    return service


def fill(service: Service, bundle: Bundle) -> None:
    for name in (*bundle.files, "manifest.json"):
        data = bundle.path(name).read_bytes()
        digest = bundle.digest if name == "manifest.json" else bundle.files[name][0]
        service.put(bytes.fromhex(digest), 0, len(data), data)


class Load:
    """Threads that predict without a pause; `failed` holds whatever went wrong."""

    def __init__(self, service: Service, numbers: list[int | None]) -> None:
        self.service, self.done, self.failed = service, 0, []  # type: Service, int, list[str]
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in numbers]

    def _work(self, n: int | None) -> None:
        while not self._over.is_set():
            try:
                if self.service.invoke(n, SAMPLE) != WANTED:
                    self.failed.append("a wrong answer")
            except Exception as error:
                self.failed.append(repr(error))
            self.done += 1

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_twenty_swaps_under_load_fail_no_request(service: Service) -> None:
    with Load(service, [None, None, 1, 2]) as load, connect(service) as device:
        for _ in range(10):
            assert device.activate(2)["state"] == "confirmed"
            assert device.rollback() == 1
        assert device.verify()["vectors"] == 4
        until(lambda: load.done > 100)
    assert load.failed == []


def test_jobs_refuse_no_inference(service: Service) -> None:
    with Load(service, [None]) as load, connect(service) as device, service.transaction.lock:
        before, deadline = load.done, time.monotonic() + 60
        while load.done < before + 20:
            assert time.monotonic() < deadline, "inferences wait for the lock of the store"
            time.sleep(0.01)
        assert device.selftest(2)["vectors"] == 4
    assert load.failed == []


def test_a_model_that_is_loaded_is_loaded_before_the_old_one_goes(service: Service) -> None:
    service.invoke(None, SAMPLE)
    assert service.transaction.serving.warm
    with connect(service) as device:
        device.activate(2)
        assert service.transaction.serving.warm
        device.rollback()
        assert service.transaction.serving.warm


def test_where_applications_read_files_no_model_stays_loaded(service: Service) -> None:
    with connect(service) as device:
        device.activate(2)
        assert not service.transaction.serving.warm
        assert not service.transaction.serving._all
        device.rollback()
        assert not service.transaction.serving._all


def test_a_model_that_does_not_serve_is_let_go(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "LINGER_S", 1000.0)
    service.invoke(2, SAMPLE)
    service.invoke(None, SAMPLE)
    assert sorted(service.transaction.serving._all) == [1, 2]
    monkeypatch.setattr(serving, "LINGER_S", 0.1)
    service.invoke(2, SAMPLE)
    deadline = time.monotonic() + 30
    while sorted(service.transaction.serving._all) != [1]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert service.invoke(2, SAMPLE) == WANTED


def test_a_process_that_died_is_begun_anew(service: Service) -> None:
    service.invoke(None, SAMPLE)
    process = service.transaction.serving._all[1]._process
    assert process is not None
    process.close()
    assert service.invoke(None, SAMPLE) == WANTED


def test_a_request_that_fails_leaves_the_next_one_alone(service: Service) -> None:
    with pytest.raises(Refused) as no:
        service.transaction.serving.ask(1, 60, do="nonsense")
    assert no.value.status == Status.RUNTIME
    assert service.invoke(None, SAMPLE) == WANTED


def test_applications_predict_through_swaps_and_trials(tmp_path: Path) -> None:
    """The real daemon, the real client, and a trial in which its inferences count."""

    def join() -> Device:
        command = [sys.executable, str(agent_path()), "attach", str(tmp_path / "store")]
        return Device(ProgramLink(command, "local:"), "local:")

    with join() as device:
        for index in (1, 2):
            policy = ConfirmPolicy(good=5) if index == 2 else ConfirmPolicy()
            bundle = make_bundle(tmp_path / f"b{index}", name=f"m{index}", confirm=policy.to_json())
            for name in (*bundle.files, "manifest.json"):
                digest = bundle.digest if name == "manifest.json" else bundle.files[name][0]
                device.put(digest, bundle.path(name).read_bytes(), 0, lambda _: None)
            device.stage(bundle.digest, [])
        device.activate(1)
        answers, over = [], threading.Event()

        def predict() -> None:
            with Model(store=tmp_path / "store") as model:
                while not over.is_set():
                    answers.append(model.predict(zeros(model)).release)

        thread = threading.Thread(target=predict)
        thread.start()
        with contextlib.ExitStack() as stack:
            stack.callback(thread.join)
            stack.callback(over.set)
            while not answers:
                time.sleep(0.02)
            assert device.activate(2)["state"] == "trial"
            deadline = time.monotonic() + 60
            while device.releases()[1].state == "trial":
                assert time.monotonic() < deadline
                time.sleep(0.05)
            device.rollback()
            after = len(answers)
            while len(answers) < after + 3:
                assert thread.is_alive()
                time.sleep(0.02)
        assert set(answers) == {1, 2}
        assert [release.state for release in device.releases()] == ["confirmed", "confirmed"]
        device.reset()


def zeros(model: Model) -> list[float]:
    (tensor,) = model.interface["inputs"]
    count = 1
    for extent in tensor["shape"]:
        count *= int(extent)
    return [0.0] * count


def test_until_a_trial_is_tested_the_one_before_answers(service: Service) -> None:
    service.invoke(None, SAMPLE)
    seen = []

    def note(text: str) -> None:
        told = service.releases()
        seen.append((text, told["trial"], told["answers"]))

    service.transaction.activate(2, note)
    assert ("on trial", 2, 1) in seen
    assert service.releases()["answers"] == 2


def test_a_model_that_was_served_until_just_now_still_answers(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "LINGER_S", 1000.0)
    service.invoke(None, SAMPLE)
    process = service.transaction.serving._all[1]._process
    assert process is not None
    with connect(service) as device:
        device.activate(2)
    assert process.alive
    monkeypatch.setattr(serving, "LINGER_S", 0.1)
    assert service.invoke(1, SAMPLE) == WANTED
    deadline = time.monotonic() + 30
    while process.alive:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert sorted(service.transaction.serving._all) == [2]


def test_an_agent_that_ends_between_two_looks_at_a_process_takes_it_from_nobody(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks whether its process has ended is told that the agent ends, not that there is no such child."""
    service.invoke(None, SAMPLE)
    models, looks = service.transaction.serving, os.waitid
    ending = threading.Thread(target=models.close)

    def late(*asked: int) -> object:
        if not ending.ident:
            ending.start()
            ending.join(0.5)
        return looks(*asked)

    monkeypatch.setattr(os, "waitid", late)
    with pytest.raises(Ending):
        service.invoke(None, SAMPLE)
    ending.join(30)
    assert not ending.is_alive()


def test_an_agent_that_ends_lets_nobody_wait_for_an_answer(service: Service) -> None:
    service.invoke(None, SAMPLE)
    models, said = service.transaction.serving, list[Exception]()
    process = models._all[1]._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)

    def ask() -> None:
        try:
            service.invoke(None, SAMPLE)
        except Exception as error:
            said.append(error)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    deadline = time.monotonic() + 30
    while models._all[1].users < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    models.close()
    for thread in asking:
        thread.join(30)
    assert [type(error) for error in said] == [Ending] * 3
    assert not process.alive


def test_a_model_that_is_being_loaded_when_the_agent_ends_is_let_go() -> None:
    loading, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    class Slow:
        alive = True

        def __init__(self, n: int) -> None:
            loading.set()
            assert go_on.wait(30)

        def end(self) -> None: ...

        def close(self) -> None:
            ended.set()

    models = serving.Serving(Slow, 1)  # type: ignore[arg-type]
    said: list[Status] = []

    def ask() -> None:
        with pytest.raises(Refused) as no:
            models.ask(1, 1.0, do="invoke")
        said.append(no.value.status)

    asking = threading.Thread(target=ask)
    asking.start()
    assert loading.wait(30)
    models.close()
    go_on.set()
    asking.join(30)
    assert ended.is_set() and said == [Status.STATE]
    ask()
    assert said == [Status.STATE] * 2
