"""One connection: stock tools read its answers, and whatever bytes come, it answers or ends, but never falls over."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import smp.image_management
import smp.os_management
from bundles import make_bundle, tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inmemory import connect

from edgeq.agent.connection import Connection
from edgeq.agent.errors import Refused
from edgeq.agent.jobs import Job
from edgeq.agent.service import Service
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.link.memory import MemoryLink
from edgeq.protocol import smp as ours
from edgeq.protocol.status import Status


def ask(connection: Connection, op: int, group: int, command: int, body: dict[str, Any]) -> ours.Message:
    (answer,) = ours.StreamDecoder().feed(connection.feed(ours.Message(op, group, command, 7, body).encode()))
    assert (answer.op, answer.group, answer.command, answer.sequence) == (op + 1, group, command, 7)
    return answer


def test_stock_echo_and_parameters(service: Service) -> None:
    connection = Connection(service)
    echo = connection.feed(smp.os_management.EchoWriteRequest(d="hello").BYTES)
    assert smp.os_management.EchoWriteResponse.loads(echo).r == "hello"
    params = connection.feed(smp.os_management.MCUMgrParametersReadRequest().BYTES)
    assert smp.os_management.MCUMgrParametersReadResponse.loads(params).buf_size >= 32 << 10


def test_stock_tools_see_releases_as_images(service: Service, tmp_path: Path) -> None:
    connection = Connection(service)
    with Device(MemoryLink(connection.feed), "memory:") as device:
        for name in ("one", "two"):
            deploy(make_bundle(tmp_path / name, name=name), device)
    answer = connection.feed(smp.image_management.ImageStatesReadRequest().BYTES)
    images = smp.image_management.ImageStatesReadResponse.loads(answer).images
    assert [(image.slot, image.version, image.active, image.confirmed) for image in images] == [
        (0, "1.0.0", False, True),
        (1, "2.0.0", True, True),
    ]


def test_reset_ends_the_agent_after_its_answer(service: Service) -> None:
    connection = Connection(service)
    assert ask(connection, ours.WRITE, 0, 5, {}).body == {}
    assert connection.reset


def test_reset_waits_for_the_job_that_runs(service: Service) -> None:
    connection, release = Connection(service), threading.Event()
    job = service.jobs.start(lambda _: {"waited": release.wait(10)})
    assert ask(connection, ours.WRITE, 0, 5, {}).body == {"rc": ours.RC_BAD_STATE}
    assert ask(connection, ours.WRITE, 64, 5, {"n": 1}).body["err"]["rc"] == Status.BUSY
    release.set()
    assert job.finished.wait(10)
    assert not connection.reset


def test_what_nobody_answers_is_told_in_smp_s_own_words(service: Service) -> None:
    assert ask(Connection(service), ours.READ, 64, 200, {}).body == {"rc": ours.RC_UNSUPPORTED}
    assert ask(Connection(service), ours.READ, 9, 0, {}).body == {"rc": ours.RC_UNSUPPORTED}
    assert ask(Connection(service), ours.WRITE, 0, 0, {}).body == {"rc": ours.RC_INVALID}


@pytest.mark.parametrize(
    ("op", "command", "body", "status"),
    [
        (0, 1, {}, Status.INVALID),
        (0, 1, {"sha": ["text"]}, Status.INVALID),
        (0, 1, {"sha": [b"short"]}, Status.INVALID),
        (2, 2, {"sha": b"a" * 32, "off": -1, "len": 3, "data": b"abc"}, Status.INVALID),
        (2, 2, {"sha": b"a" * 32, "off": 0, "len": 3, "data": b"abcd"}, Status.INVALID),
        (2, 3, {"sha": b"a" * 32}, Status.INVALID),
        (2, 6, {"n": True}, Status.INVALID),
        (0, 9, {"name": "../../etc/passwd", "off": 0}, Status.NOT_FOUND),
        (0, 9, {"name": "manifest.json", "off": 0}, Status.STATE),
        (2, 10, {"off": 0, "len": 1 << 40, "data": b"x"}, Status.INVALID),
        (2, 12, {"runs": 0, "warmup": 0, "threads": 0}, Status.INVALID),
        (0, 13, {"job": 99, "from": 0}, Status.NOT_FOUND),
        (2, 3, {"sha": b"a" * 32, "wheels": [], "envelope": "text"}, Status.INVALID),
        (2, 3, {"sha": b"a" * 32, "wheels": [], "envelope": b""}, Status.INVALID),
        (2, 7, {"n": 1}, Status.NOT_FOUND),
        (2, 7, {}, Status.INVALID),
        (2, 18, {"who": b"bytes"}, Status.INVALID),
        (2, 18, {"who": "me", "wait_s": -1}, Status.INVALID),
        (2, 18, {"who": "me", "wait_s": float("nan")}, Status.INVALID),
        (2, 19, {"n": 1, "good": -1, "bad": 0}, Status.INVALID),
        (2, 19, {"n": 1, "good": 1, "bad": 0}, Status.NOT_FOUND),
        (2, 20, {"document": "text", "envelope": b""}, Status.INVALID),
        (2, 3, {"sha": b"a" * 32, "wheels": [1.5]}, Status.INVALID),
        (2, 3, {"sha": b"a" * 32, "wheels": {}}, Status.INVALID),
        (2, 3, {"sha": b"a" * 32, "wheels": [], "system": []}, Status.INVALID),
        (2, 10, {"off": 0, "len": 1, "data": b"x", "n": 1.0}, Status.INVALID),
        (2, 5, {"n": "1"}, Status.INVALID),
    ],
)  # fmt: skip
def test_bad_requests_are_refused_by_number(
    service: Service, op: int, command: int, body: dict[str, Any], status: Status
) -> None:
    told = ask(Connection(service), op, 64, command, body).body
    assert told["err"] == {"group": 64, "rc": status}
    assert told["rsn"]


def test_the_last_chunk_of_an_inference_that_failed_finds_no_older_output(service: Service, tmp_path: Path) -> None:
    connection = Connection(service)
    deploy(make_bundle(tmp_path / "b"), connect(service))
    size = tiny()[1].inputs[0].size_bytes
    assert ask(connection, ours.WRITE, 64, 10, {"off": 0, "len": size, "data": bytes(size)}).body["out"]
    last = {"off": size, "len": size + 1, "data": b"x"}  # One byte more than a sample has.
    assert ask(connection, ours.WRITE, 64, 10, {**last, "off": 0, "data": bytes(size)}).body == {"off": size}
    assert ask(connection, ours.WRITE, 64, 10, last).body["err"]["rc"] == Status.INVALID
    assert ask(connection, ours.WRITE, 64, 10, last).body == {"off": 0}


@pytest.mark.parametrize(
    "raw", [{}, {"type": "uint8", "shape": 3, "rate": 0}, {"type": ["uint8"], "shape": [1], "rate": 0}]
)
def test_a_raw_input_that_is_none_says_nothing_against_the_model(
    service: Service, tmp_path: Path, raw: dict[str, Any]
) -> None:
    interface = replace(tiny()[1], preprocess={"input": "image", "steps": []})
    deploy(make_bundle(tmp_path / "b", interface=interface), connect(service))
    told = ask(Connection(service), ours.WRITE, 64, 10, {"off": 0, "len": 1, "data": b"x", "raw": raw}).body
    assert told["err"]["rc"] == Status.INVALID  # RUNTIME would count as a bad inference, which may end a trial.


def test_jobs_that_fail_say_why(service: Service) -> None:
    job = ask(Connection(service), ours.WRITE, 64, 3, {"sha": b"a" * 32, "wheels": []}).body["job"]
    assert service.jobs.get(job).finished.wait(10)
    told = ask(Connection(service), ours.READ, 64, 13, {"job": job, "from": 0}).body
    assert (told["state"], told["status"]) == ("failed", Status.NOT_FOUND)


def test_a_job_that_cannot_begin_keeps_no_other_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    request = (ours.WRITE, 64, 3, {"sha": b"a" * 32, "wheels": []})
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", full)
        told = ask(Connection(service), *request).body
    assert (told["err"]["rc"], "new thread" in told["rsn"]) == (Status.BUSY, True)
    assert not service.jobs.busy
    assert ask(Connection(service), *request).body["job"]


def test_an_answer_that_fits_into_no_message_is_refused_and_the_stream_goes_on(service: Service) -> None:
    connection = Connection(service)
    shas = [number.to_bytes(32, "big") for number in range(1800)]
    told = ask(connection, ours.READ, 64, 1, {"sha": shas}).body
    assert told["err"]["rc"] == Status.INVALID
    assert "message" in told["rsn"]
    assert ask(connection, ours.WRITE, 0, 0, {"d": b"\0" * 60_000}).body["rc"]
    assert ask(connection, ours.READ, 64, 0, {}).body["keep"]


def test_what_a_job_says_fits_into_its_answer(service: Service) -> None:
    def work(job: Job) -> dict[str, Any]:
        job.note("\ud800" * 70_000)
        raise Refused(Status.INVALID, "\ud800" * 70_000)

    job = service.jobs.start(work)
    assert job.finished.wait(10)
    told = ask(Connection(service), ours.READ, 64, 13, {"job": job.number, "from": 0}).body
    assert (told["state"], told["status"]) == ("failed", Status.INVALID)
    assert 0 < len(told["reason"]) < 2000


def test_releases_that_an_older_agent_took_are_told_whatever_their_names(service: Service, tmp_path: Path) -> None:
    with connect(service) as device:
        deploy(make_bundle(tmp_path / "one", name="one"), device)
        manifest = service.store.root / "releases/1/manifest.json"
        manifest.unlink()  # It is a link to the blob.
        for name in ("\ud800", "x" * 70_000):
            manifest.write_text(json.dumps({"name": name}))
            assert [item.n for item in device.releases()] == [1]


bodies = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 40), 1 << 40) | st.binary(max_size=40) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["sha", "off", "len", "data", "n", "name", "runs", "warmup", "threads", "job", "from", "wheels"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(op=st.sampled_from([0, 2]), command=st.integers(0, 20), body=st.dictionaries(KEYS, bodies, max_size=5))
def test_any_request_is_answered(service: Service, op: int, command: int, body: dict[str, Any]) -> None:
    assert ask(Connection(service), op, 64, command, body).sequence == 7


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_are_answered_or_end_the_stream(service: Service, data: bytes) -> None:
    with contextlib.suppress(ours.SmpError):
        Connection(service).feed(data)
