"""The commands over many devices as a user and a script meet them."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bundles import make_bundle
from commandline import edgeq
from sshd import Sshd, need_sshd

from edgeq import fleet
from edgeq.host.paths import home
from edgeq.project import load_project

LAB = """
[devices]
a = { address = "local:a", target = "linux-x86_64", tags = ["desk"] }
b = { address = "local:b", target = "linux-x86_64" }
spoiled = { address = "local:c", bundle = "bad" }
dead = "ssh://nobody@127.0.0.1:1"
[groups]
good = ["a", "b"]
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "edgeq.toml").write_text(LAB)
    make_bundle(tmp_path / "build" / "tiny-linux-x86_64")
    make_bundle(tmp_path / "bad", outputs=lambda data: bytes(len(data)))
    yield tmp_path
    met = [item for item in load_project().devices.values() if (home() / item.address.replace(":", "-")).is_dir()]
    fleet.over(met, lambda device, *_: device.reset())


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lab: Path) -> Any:
    return partial(edgeq, capture=capsys, monkeypatch=monkeypatch)


def test_a_deploy_to_all_names_the_broken(run: Any) -> None:
    code, out, err = run("deploy", "--to", "group:all")
    assert (code, "2 of 4 devices serve what was deployed; 2 failed." in out) == (1, True)
    assert "spoiled: local:c says no" in out and "dead: ssh://nobody@127.0.0.1:1" in out
    assert "  a        self-test" in err
    code, out, err = run("deploy", "--to", "a", "--to", "tag:desk", "--to", "spoiled", "--json", "-q", "--jobs", 1)
    document = json.loads(out)
    assert (code, document["exit_code"], err) == (5, 5, "")
    assert [(row["device"], row["state"]) for row in document["devices"]] == [("a", "unchanged"), ("spoiled", "failed")]
    error = document["devices"][1]["error"]
    assert (error["exit_code"], error["step"], error["serving"]) == (5, "self-test", None)

    code, out, _ = run("devices", "--json", "-q")
    assert (code, [item["reachable"] for item in json.loads(out)["devices"]]) == (0, [True, True, True, False])
    code, out, err = run("devices", "--csv", "--offline", "a", "spoiled")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, err) == (0, "")
    assert [(row["device"], row["state"]) for row in rows] == [("a", "confirmed"), ("spoiled", "empty")]
    assert len(rows[0]["release digest"]) == 64


def test_releases_bench_rollback_over_a_group(run: Any, lab: Path) -> None:
    other = make_bundle(lab / "other", name="other").folder
    assert run("deploy", "--to", "group:good", "-q")[0] == 0
    assert run("deploy", other, "--to", "group:good", "-q")[0] == 0
    code, out, _ = run("releases", "group:good", "--json")
    assert [[item["name"] for item in row["releases"]] for row in json.loads(out)["devices"]] == [["tiny", "other"]] * 2
    code, out, _ = run("bench", "group:good", "--runs", 20)
    assert (code, "2 of 2 devices were measured." in out) == (0, True)
    assert len(list((lab / "runs").glob("*-[ab]/run.json"))) == 2
    assert run("bench", "group:good", "-o", "x.json")[0] == 2
    code, out, _ = run("rollback", "group:good")
    assert (code, "On 2 of 2 devices the previous release serves again." in out) == (0, True)


def test_one_device_is_remembered_too(run: Any) -> None:
    assert run("deploy", "--to", "a")[0] == 0
    assert next(iter(csv.DictReader(io.StringIO(run("devices", "--csv", "--offline", "a")[1]))))["state"] == "confirmed"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["deploy", "--to", "group:godo"], "no group 'godo'", "Did you mean 'group:good'?"),
        (["deploy", "--to", "good"], "'good' is a group", "group:good"),
        (
            ["deploy", "--to", "group:all", "nothing"],
            "No device was touched. a, b, spoiled, dead: There is no bundle",
            "",
        ),
        (["run", "group:good", "--input", "x.npy"], "", ""),
        (["releases", "tag:dsk"], "no tag 'dsk'", "Did you mean 'tag:desk'?"),
        (["trust"], "No host was given", "--from"),
        (["trust", "pi", "--from", "x"], "A list and a host", ""),
        (["trust", "--from", "absent"], "no file absent", ""),
    ],
)
def test_mistakes(run: Any, arguments: list[str], message: str, hint: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out, message in err, hint in err) == (2, "", True, True), err
    assert not list(home().glob("local*"))


def test_trust_from_a_list(run: Any, lab: Path) -> None:
    need_sshd()
    with Sshd(lab / "sshd") as server:
        (lab / "keys").write_text(server.line(server.keys[0]) + f"[127.0.0.1]:1 SHA256:{'A' * 43}\n")
        code, out, _ = run("trust", "--from", "keys", "--json", "-q")
    document = json.loads(out)
    assert (code, [item["state"] for item in document["hosts"]]) == (4, ["trusted", "failed"])
    assert Path(document["file"]).read_text() == server.line(server.keys[0])


def test_an_interrupt_finishes_what_is_under_way(lab: Path) -> None:
    command = [sys.executable, "-m", "edgeq", "deploy", "--to", "a", "--to", "b", "--jobs", "1", "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )
    assert process.stderr
    for line in process.stderr:
        if "staging" in line or "self-test" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert [(row["device"], row["state"]) for row in json.loads(out)["devices"]] == [
        ("a", "deployed"),
        ("b", "not begun"),
    ]
    assert "Ctrl-C again" in err and time.monotonic() - began < 60


def test_a_dry_run_and_verify_of_many(run: Any, lab: Path) -> None:
    code, out, _ = run("deploy", "--to", "group:good", "--dry-run", "--json", "-q")
    plans = [row["plan"] for row in json.loads(out)["devices"]]
    assert (code, [plan["returns_to"] for plan in plans]) == (0, [None, None])
    assert all(plan["send_bytes"] > 0 for plan in plans)
    code, out, _ = run("deploy", "--to", "group:good", "--events", "-q")
    *events, last = [json.loads(line) for line in out.splitlines()]
    assert (code, {event["device"] for event in events}) == (0, {"a", "b"})
    assert [row["state"] for row in last["result"]["devices"]] == ["deployed", "deployed"]
    assert "serves already" in run("deploy", "--to", "group:good", "--dry-run")[1]
    assert run("verify", "group:good")[0] == 0
    manifest = home() / "local-b" / "releases" / "1" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b" ")
    code, out, _ = run("verify", "group:good")
    assert (code, "b: Release 1 is damaged, and it serves" in out) == (6, True)
    code, out, _ = run("verify", "group:all", "--json", "-q")
    assert (code, [row["verified"] is None for row in json.loads(out)["devices"]]) == (4, [False, False, False, True])
