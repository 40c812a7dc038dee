"""Deploy, verify, confirm and rollback as a user and a script meet them, over a real agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import processes
from bundles import make_bundle
from commandline import edgeq
from signers import Signer, envelope, signed, trust

from edgeq import cli
from edgeq.cli.base import console
from edgeq.device.client import Client
from edgeq.device.open import open_device
from edgeq.host.paths import home
from edgeq.protocol import contract
from edgeq.transaction.steps import STEPS

TO = ("--to", "local:")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        make_bundle(tmp_path / name, name=name)
    yield lambda *arguments: edgeq(*arguments, capture=capsys, monkeypatch=monkeypatch)
    console.as_lines = False
    with open_device("local:") as device:
        device.reset()


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_events_are_a_line_each_and_the_last_one_is_the_result(run: Any) -> None:
    code, out, _ = run("deploy", "one", *TO, "--events")
    told = lines(out)
    assert code == 0
    assert [event["step"] for event in told[:-1] if event["state"] == "begun"] == [
        step for step in STEPS if step not in ("interface", "gates", "watch")
    ]
    assert {event["device"] for event in told[:-1]} == {"local:"}
    assert told[-1]["result"]["n"] == 1
    code, out, _ = run("deploy", "one", *TO, "--json")
    assert (code, json.loads(out)["changed"]) == (0, False)


def test_a_failure_says_which_step_why_and_what_serves(run: Any, tmp_path: Path) -> None:
    make_bundle(tmp_path / "bad", name="bad", outputs=lambda data: bytes(len(data)))
    assert run("deploy", "one", *TO)[0] == 0
    code, out, err = run("deploy", "bad", *TO, "--json")
    error = json.loads(out)["error"]
    assert (code, error["step"], error["serving"]["name"]) == (5, "self-test", "one")
    assert "golden vector 0 of 4" in err and "ended at its self-test step; release 1 (one" in err
    assert "still serves." in err
    code, out, _ = run("deploy", "bad", *TO, "--events", "-q")
    failed, last = lines(out)[-2:]
    assert (code, failed["step"], failed["state"], failed["error"]["serving"]["n"]) == (5, "self-test", "failed", 1)
    assert last["error"]["exit_code"] == 5
    assert run("deploy", "bad", *TO, "--events", "--json")[0] == 2


def test_a_trial_is_watched_until_the_device_has_confirmed(run: Any, tmp_path: Path) -> None:
    make_bundle(tmp_path / "watched", name="watched", confirm={"window_s": 1.5})
    code, out, err = run("deploy", "watched", *TO)
    assert (code, "serves on local: as release 1." in out) == (0, True)
    assert "watch: on trial until 1.50 s of serving" in err and "watch: on trial, waits for another" in err
    assert "confirm: release 1 is confirmed" in err
    assert "serves  served 1.5" in run("releases", "local:")[1]


def test_a_revert_is_a_gate_s_no_with_the_device_s_reason(run: Any, tmp_path: Path) -> None:
    make_bundle(tmp_path / "ill", name="ill", confirm={"window_s": 1, "health": ["/bin/false"], "health_every_s": 0.2})
    assert run("deploy", "one", *TO)[0] == 0
    code, out, err = run("deploy", "ill", *TO, "--json")
    error = json.loads(out)["error"]
    assert (code, error["step"], error["serving"]["name"]) == (1, "watch", "one")
    assert "went back from release 2 (ill" in err and "health" in error["message"] and "still serves" in err
    assert "health" in run("releases", "local:")[1]


def test_nobody_waits_where_that_is_said_and_a_word_ends_it(run: Any, tmp_path: Path) -> None:
    assert run("deploy", "one", *TO)[0] == 0
    make_bundle(tmp_path / "m", name="m", confirm={"window_s": 600, "manual": True})
    code, out, _ = run("deploy", "m", *TO, "--no-wait")
    assert (code, "as release 2, on trial" in out, "'edgeq releases local:' shows which" in out) == (0, True, True)
    assert "Release 2 is on trial. It waits for another" in run("releases", "local:")[1]
    code, out, err = run("deploy", "two", *TO)
    assert (code, "release 2 (m, " in err, "is on trial, and nothing else is taken" in err) == (5, True, True)
    code, out, _ = run("confirm", "local:")
    assert (code, out) == (0, "Release 2 (m) is confirmed on local:.\n")
    assert run("confirm", "local:")[0] == 5
    make_bundle(tmp_path / "m2", name="m2", confirm={"manual": True})
    code, out, _ = run("deploy", "m2", *TO, "--json")
    assert (code, json.loads(out)["state"]) == (0, "trial")
    code, out, _ = run("confirm", "local:", "--reject")
    assert (code, "(m2) is bad on local:; release 2 (m" in out) == (0, True)


def test_a_gate_is_named_with_both_figures(run: Any, tmp_path: Path) -> None:
    make_bundle(tmp_path / "slow", name="slow", confirm={"latency_ms": 1e-6})
    code, out, _ = run("deploy", "slow", *TO, "--json")
    error = json.loads(out)["error"]
    assert (code, error["step"], error["serving"]) == (5, "gates", None)
    assert "the policy allows 1e-06 ms" in error["message"] and "no release serves there" in error["message"].lower()


def test_a_dry_run_changes_nothing(run: Any, tmp_path: Path) -> None:
    code, out, _ = run("deploy", "one", *TO, "--dry-run")
    assert (code, "nothing was changed" in out, "serves now  nothing" in out) == (0, True, True)
    with open_device("local:") as device:
        assert device.releases() == []
        assert len(device.missing([make_bundle(tmp_path / "one", name="one").digest])) == 1
    run("deploy", "one", *TO)
    code, out, _ = run("deploy", "two", *TO, "--dry-run", "--json")
    plan = json.loads(out)
    assert plan["returns_to"]["name"] == "one"
    left = {item["name"]: item["send_bytes"] for item in plan["files"]}
    assert left.pop("manifest.json") == plan["send_bytes"] > 0
    assert set(left.values()) == {0}
    assert "It serves there already" in run("deploy", "one", *TO, "--dry-run")[1]
    make_bundle(tmp_path / "other", arch="sparc")
    assert run("deploy", "other", *TO, "--dry-run")[0] == 5


def test_somebody_else_who_deploys_is_named_and_waited_for(run: Any) -> None:
    with open_device("local:") as other:
        assert other.hold("alice@laptop (pid 7) deploys kws")
        code, _, err = run("deploy", "one", *TO)
        assert (code, "alice@laptop (pid 7) deploys kws since " in err, "--wait SECONDS" in err) == (5, True, True)
        leaving = threading.Timer(1.0, lambda: other.client.request(contract.HOLD, {"who": ""}))
        leaving.start()
        assert run("deploy", "one", *TO, "--wait", 60)[0] == 0
        leaving.join()


def test_verify_ends_with_6_where_what_serves_is_damaged(run: Any) -> None:
    run("deploy", "one", *TO)
    run("deploy", "two", *TO)
    code, out, _ = run("verify", "local:")
    assert (code, out.count("sound")) == (0, 2)
    store = Path(os.environ["EDGEQ_HOME"]) / "local" / "releases" / "2" / "manifest.json"
    store.write_bytes(store.read_bytes() + b" ")
    code, out, _ = run("verify", "local:", "--json")
    document = json.loads(out)
    assert (code, document["sound"], [item["sound"] for item in document["releases"]]) == (6, False, [True, False])
    assert "deploy the bundle again" in run("verify", "local:")[1]


def test_a_bundle_that_serves_is_signed_afterwards(run: Any, tmp_path: Path) -> None:
    builder, approver = Signer("builder"), Signer("approver")
    assert run("deploy", "one", *TO)[0] == 0
    with open_device("local:") as device:
        document, signatures = signed(trust([builder], [approver]), builder, approver)
        device.client.request(contract.TRUST, {"document": document, "envelope": signatures})
    code, out, _ = run("verify", "local:")
    assert (code, "the release is not signed" in out, "sign its bundle and deploy it again" in out) == (0, True, True)
    manifest = (tmp_path / "one" / "manifest.json").read_bytes()
    (tmp_path / "one" / "signature.json").write_bytes(envelope(manifest, builder, approver).encode())
    assert "leave all but its signatures as it is" in run("deploy", "one", *TO, "--dry-run")[1]
    code, out, err = run("deploy", "one", *TO)
    assert (code, "verify: release 1 has the bundle's signatures" in err) == (0, True)
    assert "as release 1 already, with the signatures of the bundle; nothing else was changed." in out
    code, out, _ = run("verify", "local:")
    ids = sorted([builder.id, approver.id])
    assert (code, f"sound, signed by {ids[0][:12]}, {ids[1][:12]}" in out) == (0, True)
    (item,) = json.loads(run("verify", "local:", "--json")[1])["releases"]
    assert (item["signed"], item["unsigned"], item["damage"]) == (ids, "", "")


def test_rollback_says_from_which_to_which_and_asks_for_nothing_more(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No upload, no check of others, no restart; how long it takes, `benchmarks/rollback.py` measures."""
    run("deploy", "one", *TO)
    run("deploy", "two", *TO)
    asked, request, agent = Counter[tuple[int, int, int]](), Client.request, processes(home() / "local")

    def counted(client: Client, command: tuple[int, int, int], *given: Any, **named: Any) -> Any:
        asked[command] += 1
        return request(client, command, *given, **named)

    monkeypatch.setattr(Client, "request", counted)
    code, out, err = run("rollback", "local:")
    assert (code, "Release 1 (one" in out, "serves again instead of release 2 (two" in out) == (0, True, True)
    assert "from release 2 (two" in err
    assert asked[contract.ROLLBACK] == 1
    assert asked[contract.RELEASES] <= 3  # before, after, and what is remembered of the device
    assert set(asked) <= {contract.ROLLBACK, contract.RELEASES, contract.DESCRIBE, contract.JOB}
    assert processes(home() / "local") == agent
    assert len(agent) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", ["--events", "--json", "-v"])
def test_ctrl_c_in_the_watch_leaves_the_device_to_decide(run: Any, tmp_path: Path, how: str) -> None:
    make_bundle(tmp_path / "w", name="w", confirm={"window_s": 300})
    command = [sys.executable, "-m", "edgeq", "deploy", "w", *TO, how]
    root = Path(cli.__file__).parents[2]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert process.stderr is not None
    with process:
        try:
            for line in process.stderr:
                if "watch: on trial, waits" in line:
                    break
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert err.endswith(
        "\nInterrupted. The device confirms or reverts by itself; 'edgeq releases local:' shows what came of it.\n"
    )
    if how == "-v":
        assert out == ""
    else:
        error = (json.loads(out) if how == "--json" else lines(out)[-1])["error"]
        assert (error["exit_code"], error["step"], error["hint"] in err) == (130, "watch", True)
    assert "trial" in run("releases", "local:")[1]
    assert run("rollback", "local:")[0] == 5  # the first release has nothing to go back to
