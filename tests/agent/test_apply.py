"""Applying a file on the device itself: the transaction of a deploy, its words and its exit codes, with no host."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import until
from bundles import make_bundle, tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from signers import Signer, envelope

from edgeq import plan
from edgeq.agent import dsse
from edgeq.bundle import read_bundle
from edgeq.deploy import deploy
from edgeq.device.agentfile import agent_path
from edgeq.device.device import Device
from edgeq.errors import EdgeqError
from edgeq.host.paths import home
from edgeq.interface import DTYPES, Interface, Tensor, differences
from edgeq.link.program import ProgramLink
from edgeq.pack import pack
from edgeq.runtime import available
from edgeq.transaction.changes import changes
from edgeq.transaction.steps import Event


def agent(*arguments: Any, **more: Any) -> subprocess.CompletedProcess[str]:
    """One of the agent's programs, run to its end."""
    command = [sys.executable, str(agent_path()), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **more)


def attach(root: Path) -> Device:
    return Device(ProgramLink([sys.executable, str(agent_path()), "attach", str(root)], "local:"), "local:")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    store = tmp_path / "store"
    yield store
    if store.exists():
        with contextlib.suppress(Exception), attach(store) as device:
            device.reset()


def packed(folder: Path, **more: Any) -> Path:
    return pack(make_bundle(folder, **more)).path


def test_a_file_becomes_the_release_that_serves(root: Path, tmp_path: Path) -> None:
    file = packed(tmp_path / "a")
    done = agent("apply", file, root, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["n"], found["state"], found["changed"], found["golden"]["vectors"]) == (1, "confirmed", True, 4)
    assert "confirm: release 1 is confirmed" in done.stderr
    again = agent("apply", file, root)
    assert again.returncode == 0
    assert "serves on this device as release 1 already; nothing was changed" in again.stdout
    with attach(root) as device:
        assert [item.n for item in device.releases()] == [1]


def test_what_serves_already_gets_the_signatures_of_the_file(root: Path, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "a")
    assert agent("apply", pack(bundle).path, root).returncode == 0
    found = envelope(bundle.path("manifest.json").read_bytes(), Signer("builder"))
    bundle.path("signature.json").write_bytes(found.encode())
    file = pack(read_bundle(bundle.folder)).path
    again = agent("apply", file, root)
    assert (again.returncode, "verify: release 1 has the bundle's signatures" in again.stderr) == (0, True)
    assert "as release 1 already, with the signatures of the bundle; nothing else was changed." in again.stdout
    assert dsse.decode((root / "releases/1/signature.json").read_bytes()).signatures == found.signatures
    done = json.loads(agent("apply", file, root, "--json").stdout)
    assert (done["n"], done["changed"], done["signed"]) == (1, False, True)
    with attach(root) as device:
        assert device.verify()["releases"] == [{"n": 1, "sound": True, "signed": []}]


def test_the_steps_are_those_of_a_deploy(root: Path, tmp_path: Path) -> None:
    first, second = make_bundle(tmp_path / "a", name="a"), make_bundle(tmp_path / "b", name="b")
    heard: list[Event] = []
    with attach(tmp_path / "other") as device:
        deploy(first, device)
    with attach(tmp_path / "other") as device:
        hosted = deploy(second, device, events=heard.append)
        device.reset()
    assert agent("apply", pack(first).path, root).returncode == 0
    done = agent("apply", pack(second).path, root, "--events")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    told = [(line["step"], line["state"], line["text"]) for line in lines[:-1]]

    def stages(events: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        # What is said while something lasts depends on when it is asked.
        return [event for event in events if event[1] != "note" or event[0] in ("watch", "confirm", "interface")]

    assert stages(told) == stages([(event.step, event.state, event.text) for event in heard])
    result = lines[-1]["result"]
    assert (result["n"], result["previous"], result["digest"]) == (hosted.n, hosted.previous, hosted.digest)
    assert set(result) == {"device", "name", *vars(hosted)}


@pytest.mark.parametrize(
    "spoil",
    [
        {"outputs": lambda data: bytes(len(data))},
        {"confirm": {"health": ["/bin/false"]}},
        {"confirm": {"memory_bytes": 1000}},
        {"confirm": {"window_s": 1.5, "good": 1, "manual": True}},
        {"interface": Interface(tiny()[1].inputs, tiny()[1].outputs, labels=("right", "left", "none"))},
    ],
    ids=["self-test", "watch", "gates", "trial", "interface"],
)
def test_a_failure_is_told_as_to_a_host(root: Path, tmp_path: Path, spoil: dict[str, Any]) -> None:
    first, second = make_bundle(tmp_path / "a", name="a"), make_bundle(tmp_path / "b", name="b", **spoil)
    waits = "good" in spoil.get("confirm", {})
    heard: list[Event] = []
    with attach(tmp_path / "other") as device:
        deploy(first, device)
        try:
            deploy(second, device, events=heard.append, watch=not waits)
            hosted: dict[str, Any] = {}
            if waits:  # on trial, and another one is refused
                deploy(first, device, events=heard.append)
        except EdgeqError as error:
            hosted = {"message": error.message, "exit_code": error.exit_code, **error.facts}
        device.reset()
    assert agent("apply", pack(first).path, root).returncode == 0
    done = agent("apply", pack(second).path, root, "--json", *(["--no-wait"] if waits else []))
    if waits:
        assert done.returncode == 0
        done = agent("apply", pack(first).path, root, "--json")
    told = json.loads(done.stdout)["error"]
    told.pop("hint")

    def plain(text: str) -> str:
        """Without who says it, figures that were measured, and what only a host finds out about golden vectors."""
        text = re.sub(r" Operator by operator, [^.]*: the golden vectors are of another runtime\.", "", text)
        return re.sub(r"[\d.]+ (bytes|MiB|s)\b", "N", text.replace("local:", "this device").replace("This", "this"))

    assert {**told, "message": plain(told["message"])} == {**hosted, "message": plain(hosted["message"])}
    assert done.returncode == hosted["exit_code"]


def test_a_blob_of_which_a_crash_left_all_bytes_but_no_verdict_is_ended(root: Path, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "a")
    digest, _ = bundle.files["model.tflite"]
    (root / "incoming").mkdir(parents=True)
    (root / "incoming" / f"{digest}.part").write_bytes(bundle.path("model.tflite").read_bytes())
    done = agent("apply", pack(bundle).path, root)
    assert done.returncode == 0, done.stderr


def test_a_dry_run_tells_the_plan_and_changes_nothing(root: Path, tmp_path: Path) -> None:
    first, second = make_bundle(tmp_path / "a", name="a"), make_bundle(tmp_path / "b", name="b", security_version=3)
    assert agent("apply", pack(first).path, root).returncode == 0
    done = agent("apply", pack(second).path, root, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    with attach(root) as device:
        assert [item.n for item in device.releases()] == [1]
        hosted = plan.make_plan(second, device)
    assert found["checks"] == list(hosted.checks)
    assert found["returns_to"]["n"] == 1
    assert found["send_bytes"] == hosted.cargo.sent_bytes
    assert found["need_bytes"] == hosted.cargo.need_bytes
    assert {file["name"] for file in found["files"]} == {piece.name for piece in hosted.cargo.pieces}
    text = agent("apply", pack(second).path, root, "--dry-run").stdout
    assert "nothing was changed" in text
    assert "to which any failure returns" in text


@pytest.mark.parametrize(
    ("spoil", "code", "step", "said"),
    [
        ({"outputs": lambda data: bytes(len(data))}, 5, "self-test", "golden vector"),
        ({"arch": "aarch64x"}, 5, "preflight", "is for aarch64x"),
        ({"model": b"not a model"}, 5, "self-test", "says no"),
        ({"confirm": {"health": ["/bin/false"]}}, 1, "watch", "ended with exit code 1"),
        ({"confirm": {"memory_bytes": 1000}}, 5, "gates", "the policy allows 1000"),
        ({"confirm": {"from_the_future": 1}}, 5, "preflight", "does not know"),
    ],
    ids=["wrong outputs", "another architecture", "no model", "unhealthy", "too large", "newer"],
)
def test_what_is_bad_leaves_what_served(
    root: Path, tmp_path: Path, spoil: dict[str, Any], code: int, step: str, said: str
) -> None:
    assert agent("apply", packed(tmp_path / "good", name="good"), root).returncode == 0
    done = agent("apply", packed(tmp_path / "bad", name="bad", **spoil), root, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    error = json.loads(done.stdout)["error"]
    assert (error["exit_code"], error["step"], error["serving"]["n"]) == (code, step, 1)
    assert said in error["message"]
    assert "release 1 (good, " in error["message"]
    assert ("still serves" in error["message"]) == (step != "preflight")
    assert f"error: {error['message']}" in done.stderr
    with attach(root) as device:
        serving = device.installed().serving
        assert serving is not None
        assert (serving.n, serving.state) == (1, "confirmed")


def test_another_interface_is_refused_unless_allowed(root: Path, tmp_path: Path) -> None:
    own = tiny()[1]
    other = Interface(own.inputs, own.outputs, labels=("right", "left", "none"))
    assert agent("apply", packed(tmp_path / "a"), root).returncode == 0
    file = packed(tmp_path / "b", interface=other)
    done = agent("apply", file, root)
    assert done.returncode == 5
    assert "the labels stand in another order, first at 0: 'left', now 'right'" in done.stderr
    assert "--allow-interface-change" in done.stderr
    assert agent("apply", file, root, "--allow-interface-change").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["absent.eqb"], 2, "cannot be read"),
        (["/dev/null"], 6, "not a plain file"),
        ([], 2, "required"),
        (["x.eqb", "--wait", "-1"], 2, "--wait"),
        (["x.eqb", "--colour"], 2, "Unrecognized"),
    ],
)
def test_what_cannot_be_applied_has_its_exit_code(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    done = agent("apply", *arguments, "--json", cwd=tmp_path)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert json.loads(done.stdout)["error"]["exit_code"] == code


def test_a_damaged_file_changes_nothing(root: Path, tmp_path: Path) -> None:
    file = packed(tmp_path / "a")
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)
    done = agent("apply", file, root)
    assert done.returncode == 6
    assert "is not what its manifest says" in done.stderr
    assert not root.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="a read-only medium can only be mounted by root")
def test_from_a_read_only_medium(root: Path, tmp_path: Path) -> None:
    medium = tmp_path / "stick"
    medium.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", medium], capture_output=True).returncode:
        pytest.skip("this machine mounts nothing")
    try:
        (medium / "a.eqb").write_bytes(packed(tmp_path / "a").read_bytes())
        subprocess.run(["mount", "-o", "remount,ro", medium], check=True)
        assert agent("apply", medium / "a.eqb", root, cwd=medium).returncode == 0
        done = agent("apply", medium / "a.eqb", medium / "store")
        assert done.returncode == 5
        assert "Read-only file system" in done.stderr
    finally:
        subprocess.run(["umount", "-l", medium], check=True)


def test_who_holds_the_device_is_said(root: Path, tmp_path: Path) -> None:
    file = packed(tmp_path / "a")
    with attach(root) as device:
        device.hold("alice@laptop (pid 7) deploys digits")
        done = agent("apply", file, root)
        assert done.returncode == 5
        assert "alice@laptop (pid 7) deploys digits" in done.stderr
        timer = threading.Timer(1.0, device.release)
        timer.start()
        assert agent("apply", file, root, "--wait", "60").returncode == 0
        timer.join()


def test_a_wheel_that_is_nowhere(root: Path, tmp_path: Path) -> None:
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    file = f"numpy-2.0.0-{tag}-{tag}-manylinux_2_5_{os.uname().machine}.whl"
    entry = {"name": "numpy", "version": "2.0.0", "python": tag, "glibc": "2.5", "file": file}
    runtime = {"name": "ai-edge-litert", "version": "0.0.1", "threads": 1}
    wheels = [{**entry, "sha256": "a" * 64, "size": 10}]
    bundle = make_bundle(tmp_path / "a", runtime={**runtime, "wheels": wheels})
    done = agent("apply", pack(bundle, wheels=False).path, root)
    assert done.returncode == 5
    assert f"lacks the runtime wheel {file}" in done.stderr
    assert "edgeq pack" in done.stderr


def test_the_daemon_dies_during_the_trial(root: Path, tmp_path: Path) -> None:
    """SIGKILL where the trial has begun: the next agent goes on with it, and apply hears how it ends."""
    assert agent("apply", packed(tmp_path / "a", name="a"), root).returncode == 0
    file = packed(tmp_path / "b", name="b", confirm={"good": 1, "starts": 5})
    command = [sys.executable, str(agent_path()), "apply", str(file), str(root), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "watch: on trial, waits" in line:
                break
        kill_daemon(root)
        with attach(root) as device:
            until(lambda: device.report(2, good=1) == "confirmed")  # Heard once it is being watched again.
        said = process.stderr.read()
        assert process.stdout
        found = json.loads(process.stdout.read())
    assert "the link broke; the device goes on by itself" in said
    assert (found["n"], found["state"]) == (2, "confirmed")


def test_an_agent_that_always_dies_reverts(root: Path, tmp_path: Path) -> None:
    assert agent("apply", packed(tmp_path / "a", name="a"), root).returncode == 0
    file = packed(tmp_path / "b", name="b", confirm={"window_s": 60, "starts": 1})
    command = [sys.executable, str(agent_path()), "apply", str(file), str(root), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "watch: on trial, waits" in line:
                break
        kill_daemon(root)
        while not daemons(root):  # apply itself starts the next one
            time.sleep(0.05)
        while "trial" not in (root / "state").read_text() or '"starts": 1' not in (root / "state").read_text():
            time.sleep(0.02)
        kill_daemon(root)
        assert process.stdout
        error = json.loads(process.stdout.read())["error"]
        process.wait(60)
    assert process.returncode == 1
    assert "the agent started 2 times during the trial" in error["message"]
    assert error["serving"]["n"] == 1


def daemons(root: Path) -> list[int]:
    ending, found = b"\0serve\0" + os.fsencode(root) + b"\0", []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found += [int(process.name)] * (ending in (process / "cmdline").read_bytes())
    return found


def kill_daemon(root: Path) -> None:
    for number in daemons(root):
        os.kill(number, signal.SIGKILL)


def test_without_waiting_and_back(root: Path, tmp_path: Path) -> None:
    assert agent("apply", packed(tmp_path / "a", name="a"), root).returncode == 0
    file = packed(tmp_path / "b", name="b", confirm={"window_s": 600})
    begun = time.monotonic()
    done = agent("apply", file, root, "--no-wait")
    assert (done.returncode, "on trial" in done.stdout) == (0, True)
    assert time.monotonic() - begun < 60
    kept = agent("rollback", root, "--from", 1, "--json")
    assert json.loads(kept.stdout) == {"n": 2, "changed": False}
    back = agent("rollback", root, "--from", 2, "--json")
    assert json.loads(back.stdout) == {"n": 1, "before": 2, "changed": True}
    with attach(root) as device:
        serving = device.installed().serving
        assert serving is not None
        assert serving.n == 1


# the words are those of the host

TENSORS = st.builds(
    Tensor,
    st.sampled_from(["x", "y", ""]),
    st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple),
    st.sampled_from(DTYPES),
    st.sampled_from([0.0, 0.5, 1 / 255]),
    st.integers(-128, 127),
)
STEPS = st.lists(st.sampled_from([{"do": "resize", "size": 8}, {"do": "resize", "size": 9}, {"do": "log"}]), max_size=3)
INTERFACES = st.builds(
    Interface,
    st.lists(TENSORS, min_size=1, max_size=2).map(tuple),
    st.lists(TENSORS, min_size=1, max_size=2).map(tuple),
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=3).map(tuple),
    st.none() | st.fixed_dictionaries({"input": st.just("audio"), "rate_hz": st.integers(1, 2), "steps": STEPS}),
    st.none() | st.sampled_from([0.5, 1]),
    st.integers(1, 2),
)


@settings(max_examples=300)
@given(INTERFACES, INTERFACES)
def test_changes_of_an_interface_are_told_as_on_a_host(before: Interface, after: Interface) -> None:
    documents = [json.loads(json.dumps(item.to_json())) for item in (before, after)]
    hosted = differences(*(Interface.from_json(document) for document in documents))
    assert changes(*documents) == hosted


FACTS = st.fixed_dictionaries(
    {
        "kind": st.just("linux"),
        "arch": st.just("x86_64"),
        "kernel_arch": st.just("x86_64"),
        "libc": st.sampled_from(["glibc 2.17", "glibc 2.28", "glibc 2.36", "musl 1.2.5", "unknown"]),
        "python": st.sampled_from(["3.9.2", "3.11.2", "3.13.5"]),
        "implementation": st.sampled_from(["cpython", "pypy"]),
        "numpy": st.just("2.0.0"),
        "runtime": st.sampled_from([None, {"name": "ai-edge-litert", "version": "2.3.0"}]),
    }
)


@settings(max_examples=200)
@given(FACTS, st.sampled_from(["aarch64", "x86_64"]))
def test_the_same_wheels_as_a_host_would_send(facts: dict[str, Any], arch: str) -> None:
    from edgeq.agent.errors import Refused
    from edgeq.agent.fitting import fitting
    from edgeq.runtimes import wheels_for
    from edgeq.runtimes.resolve import judge, of_facts

    facts = {**facts, "arch": arch}
    wheels = wheels_for("ai-edge-litert", "2.3.0", arch)
    verdict = judge("ai-edge-litert", "2.3.0", of_facts(facts), wheels)
    runtime = {"name": "ai-edge-litert", "version": "2.3.0", "wheels": wheels}
    try:
        chosen, system = fitting({"name": "x", "arch": arch, "runtime": runtime}, facts)
    except Refused as refused:
        assert not verdict.works, refused.reason
        return
    assert verdict.works, verdict.reason
    assert (system, [wheel["file"] for wheel in chosen]) == (None, [wheel.file for wheel in verdict.wheels])


def test_numbers_of_json_are_compared_as_a_host_compares_them() -> None:
    """1 and 1.0 are the same scale, zero point and threshold."""
    document = Interface((Tensor("x", (1, 2), "int8", 1.0, 0),), (Tensor("y", (1,), "int8", 1.0, 0),)).to_json()
    other = json.loads(json.dumps(document))
    other["inputs"][0]["scale"], other["outputs"][0]["zero_point"] = 1, 0.0
    assert changes(document, other) == []


def test_the_runtime_comes_with_the_file(root: Path, tmp_path: Path) -> None:
    """A wheel of our own, that stands before the runtime of this machine, is packed, taken and loaded."""
    found = available()
    if found is None or found[0] != "ai-edge-litert":
        pytest.skip("this machine's own runtime is not ai-edge-litert")
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    file = f"ai_edge_litert-0.0.1-{tag}-{tag}-manylinux_2_5_{os.uname().machine}.whl"
    (home() / "wheels").mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(home() / "wheels" / file, "w") as wheel:
        wheel.writestr(
            "ai_edge_litert/__init__.py", "import pkgutil\n__path__ = pkgutil.extend_path(__path__, __name__)\n"
        )
    data = (home() / "wheels" / file).read_bytes()
    entry = {"name": "ai-edge-litert", "version": "0.0.1", "python": tag, "glibc": "2.5", "file": file}
    wheels = [{**entry, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}]
    runtime = {"name": "ai-edge-litert", "version": "0.0.1", "threads": 1, "wheels": wheels}
    packed_file = packed(tmp_path / "a", runtime=runtime)
    (home() / "wheels" / file).unlink()
    done = agent("apply", packed_file, root, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads((root / "releases" / "1" / "release.json").read_text())["wheels"] == [wheels[0]["sha256"]]
    assert (root / "runtime" / "ai_edge_litert" / "__init__.py").is_file()
