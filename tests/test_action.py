"""The GitHub action: its steps run here as they stand, in bash, against a server that answers as GitHub's API does."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sides import changed, recorded, series

from edgeq.compare import read_policy
from edgeq.compare.baseline import write_baseline

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
ROOT = Path(__file__).resolve().parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")


class Hub(BaseHTTPRequestHandler):
    """The part of GitHub's API that the comment needs."""

    comments: dict[int, str]
    allowed: bool

    def do_GET(self) -> None:
        assert self.path == "/repos/o/r/issues/7/comments?per_page=100&page=1"
        self._answer(200, [{"id": number, "body": body} for number, body in self.comments.items()])

    def do_POST(self) -> None:
        assert self.path == "/repos/o/r/issues/7/comments"
        number = len(self.comments) + 1
        self.comments[number] = self._body()
        self._answer(201, {"id": number})

    def do_PATCH(self) -> None:
        number = int(self.path.removeprefix("/repos/o/r/issues/comments/"))
        self.comments[number] = self._body()
        self._answer(200, {"id": number})

    def log_message(self, *_: Any) -> None:
        pass

    def _body(self) -> str:
        body: str = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        return body

    def _answer(self, status: int, document: Any) -> None:
        allowed = self.allowed and self.headers["Authorization"] == "Bearer t"
        text = json.dumps(document if allowed else {"message": "no"}).encode()
        self.send_response(status if allowed else 403)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@contextmanager
def hub(comments: dict[int, str], allowed: bool = True) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Hub,), {"comments": comments, "allowed": allowed}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A runner's folders; edgeq is this checkout's, as if the first step had installed it."""
    bin_ = tmp_path / "temp" / "edgeq" / "bin"
    bin_.mkdir(parents=True)
    (bin_ / "edgeq").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edgeq "$@"\n', encoding="utf-8")
    (bin_ / "edgeq").chmod(0o755)
    (bin_ / "python").symlink_to(sys.executable)
    write_baseline(tmp_path / "baseline.json", [recorded()])
    invoke = recorded().one("invoke")
    assert invoke
    for name, factor in (("same", 1.0), ("slow", 1.2)):
        changed(series=[series("invoke", [value * factor for value in invoke.values])]).write(tmp_path / f"{name}.json")
    changed(plan={"threads": 4}).write(tmp_path / "threads.json")
    return tmp_path


def step(name: str, runner: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """One step as GitHub runs it: `bash --noprofile --norc -eo pipefail`, with its environment."""
    runners = {
        "RUNNER_TEMP": str(runner / "temp"),
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_OUTPUT": str(runner / "output"),
        "GITHUB_STEP_SUMMARY": str(runner / "summary"),
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_ACTOR": "octocat",
        "PYTHONPATH": str(ROOT),
    }
    given = dict.fromkeys(STEPS[name].get("env", {}), "")
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]
    return subprocess.run(
        command,
        cwd=runner,
        env={"PATH": os.environ["PATH"], **runners, **given, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def compare(runner: Path, **environment: str) -> dict[str, str]:
    done = step("Compare", runner, BASE="baseline.json", JUNIT="junit.xml", **environment)
    assert done.returncode == 0, done.stderr
    lines = (runner / "output").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize(
    ("new", "verdict", "code"), [("same", "ok", 0), ("slow", "regression", 1), ("threads", "refused", 2)]
)
def test_verdicts_reach_the_gate(runner: Path, new: str, verdict: str, code: int) -> None:
    said = compare(runner, NEW=f"{new}.json\n")
    assert (said["verdict"], said["code"]) == (verdict, str(code))
    assert Path(said["markdown"]).read_text(encoding="utf-8") == (runner / "summary").read_text(encoding="utf-8")
    assert (runner / "junit.xml").exists()
    assert step("Gate", runner, CODE=said["code"]).returncode == code


def test_lines_with_blanks_and_a_waiver(runner: Path) -> None:
    (runner / "threads.json").rename(runner / "four threads.json")
    (runner / "policy.toml").write_text('[metrics.p50]\nmax_regression = "5%"\n', encoding="utf-8")
    said = compare(runner, NEW="four threads.json", POLICY="policy.toml", WAIVE="other_threads=tried on purpose; $(x)")
    assert said["verdict"] == "ok"
    assert "Waived by octocat: tried on purpose; $(x)" in (runner / "summary").read_text(encoding="utf-8")


def test_a_wrong_file_fails_the_step(runner: Path) -> None:
    done = step("Compare", runner, BASE="none.json", NEW="same.json", JUNIT="junit.xml")
    assert done.returncode == 6
    assert "none.json" in done.stderr


def test_the_comment_is_written_once_and_then_replaced(runner: Path) -> None:
    comments = {1: "Looks good!"}
    with hub(comments) as url:
        for new, mark in (("slow", "❌"), ("same", "✅")):
            said = compare(runner, NEW=f"{new}.json")
            given = {"PULL_REQUEST": "7", "TOKEN": "t", "COMMENT": said["markdown"], "GITHUB_API_URL": url}
            assert step("Comment", runner, **given).returncode == 0
            assert list(comments) == [1, 2]
            assert comments[2].splitlines()[1].startswith(f"### {mark}")
    assert comments[1] == "Looks good!"


def test_a_token_that_may_not_write_and_no_answer_are_warnings(runner: Path) -> None:
    given = {"PULL_REQUEST": "7", "TOKEN": "t", "COMMENT": compare(runner, NEW="same.json")["markdown"]}
    with hub({}, allowed=False) as url:
        refused = step("Comment", runner, **given, GITHUB_API_URL=url)
    gone = step("Comment", runner, **given, GITHUB_API_URL=url)
    for done in (refused, gone):
        assert done.returncode == 0
        assert done.stdout.startswith("::warning::")


@pytest.mark.slow
def test_the_first_step_installs_this_checkout(tmp_path: Path) -> None:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is needed to build a wheel")
    # Nothing is downloaded: what builds it and what it needs are those of this environment. To pip a NO_ of 0 is a yes.
    here = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_COMPILE": "0"}
    here["PYTHONPATH"] = sysconfig.get_path("purelib")
    done = step("Install", tmp_path, PYTHON=sys.executable, **here)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "temp" / "edgeq" / "bin" / "edgeq").exists()


def test_no_script_holds_an_expression_and_every_input_is_told() -> None:
    """What an input says reaches a script through its environment only, so it cannot become code."""
    for each in STEPS.values():
        assert "${{" not in each["run"]
    text = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
    assert [name for name in ACTION["inputs"] if f"`{name}`" not in text] == []


def test_the_job_that_runs_a_stranger_s_code_may_only_read() -> None:
    """A pull request's code runs beside the board; only the gate, which runs none of it, writes the comment."""
    workflow = yaml.safe_load((ROOT / "examples" / "ci" / "edgeq.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {} and workflow["jobs"]["bench"]["permissions"] == {"contents": "read"}
    out = [each for job in workflow["jobs"].values() for each in job["steps"] if "/checkout@" in each.get("uses", "")]
    assert len(out) == 2 and all(each["with"]["persist-credentials"] is False for each in out)


def test_the_example_is_pinned_and_gives_what_the_action_takes() -> None:
    folder = ROOT / "examples" / "ci"
    jobs = yaml.safe_load((folder / "edgeq.yml").read_text(encoding="utf-8"))["jobs"]
    used = [each for job in jobs.values() for each in job["steps"] if "uses" in each]
    assert all(PINNED.fullmatch(each["uses"]) for each in used)
    assert not [each for each in STEPS.values() if "uses" in each]
    (ours,) = (each for each in used if "/edgeq@" in each["uses"])
    assert set(ours["with"]) <= set(ACTION["inputs"])
    assert {name for name, given in ACTION["inputs"].items() if given.get("required")} <= set(ours["with"])
    assert read_policy(folder / "policy.toml").rules
