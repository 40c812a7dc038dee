"""The command line as a user and a script meet it: texts, JSON, exit codes, help."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import make_bundle, tiny
from commandline import edgeq
from typer.main import get_command

from edgeq import cli
from edgeq.device.open import open_device

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def run(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Runs commands in an empty folder; the agent behind `local:` ends with the test."""
    monkeypatch.chdir(tmp_path)
    yield lambda *arguments: edgeq(*arguments, capture=capsys, monkeypatch=monkeypatch)
    with open_device("local:") as device:
        device.reset()


def commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


ALL = dict(commands(get_command(cli.app)))


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_an_example_and_json(name: str) -> None:
    assert f"Example: edgeq {name}" in ALL[name].help
    assert {"--json", "--quiet", "--verbose"} <= {option for item in ALL[name].params for option in item.opts}


def test_help_and_version(run: Any) -> None:
    code, out, _ = run("--help")
    assert (code, "deploy" in out) == (0, True)
    assert run("--version")[1].strip() == "0.1.0"
    assert run("no-such-command")[0] == 2


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['edgeq', '--help']\n"
        "from edgeq.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('HEAVY', sorted({'tensorflow', 'paramiko', 'numpy', 'serial'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "HEAVY []" in done.stdout


def test_targets(run: Any) -> None:
    code, out, _ = run("targets")
    assert (code, "rpi4" in out) == (0, True)
    code, out, _ = run("targets", "pi4", "--json")
    assert json.loads(out)["name"] == "rpi4"
    code, out, err = run("targets", "rpi44", "--json")
    assert (code, json.loads(out)["error"]["exit_code"]) == (2, 2)
    assert "Did you mean 'rpi4'?" in err


def test_deploy_run_bench_report_rollback(run: Any, tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_bundle(tmp_path / name, name=name)
    code, out, err = run("deploy", "one", "--to", "local:")
    assert (code, "serves on local: as release 1" in out, "self-test" in err) == (0, True, True)
    assert "already" in run("deploy", "one", "--to", "local:")[1]
    code, out, err = run("deploy", "two", "--to", "local:", "--json", "--quiet")
    assert (json.loads(out)["n"], json.loads(out)["previous"], err) == (2, 1, "")

    tensor = tiny()[1].inputs[0]
    np.save("x.npy", np.zeros((3, *tensor.shape[1:]), np.float32))
    code, out, _ = run("run", "local:", "--input", "x.npy", "-o", "y.npy")
    assert (code, "sample 0: " in out, np.load("y.npy").shape) == (0, True, (3, 3))
    code, out, err = run("run", "local:", "--input", "x.npy", "--raw")
    assert (code, "must be int8; the data is float32" in err) == (2, True)
    code, out, _ = run("run", "local:", "--input", "x.npy", "--json")
    assert np.array(json.loads(out)["values"]).shape == (1, 3, 3)

    code, out, _ = run("bench", "local:", "--runs", "50", "-o", "run.json")
    assert (code, "p50" in out, "(measured)" in out) == (0, True, True)
    assert json.loads(Path("run.json").read_text())["plan"]["runs"] == 50
    code, out, _ = run("report", "run.json", "-o", "report.html", "--json")
    assert (code, json.loads(out)["kind"]) == (0, "edgeq-report")
    assert Path("report.html").read_text().startswith("<!")

    assert "Release 1 (one" in run("rollback", "local:")[1]
    document = json.loads(run("releases", "local:", "--json")[1])
    assert [(item["name"], item["serving"]) for item in document["releases"]] == [("one", True), ("two", False)]


def test_a_project_s_defaults(run: Any, tmp_path: Path) -> None:
    (tmp_path / "edgeq.toml").write_text(
        '[project]\ndevice = "here"\n[devices.here]\naddress = "local:"\ntarget = "linux-x86_64"\n'
    )
    assert run("deploy")[0] == 2
    make_bundle(tmp_path / "build" / "tiny-linux-x86_64")
    assert run("deploy")[0] == 0
    assert run("bench", "--runs", "40")[0] == 0
    (path,) = (tmp_path / "runs").glob("*-here/run.json")
    code, out, _ = run("report")
    assert (code, (tmp_path / "report.html").exists(), "here" in out) == (0, True, True)
    assert path.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build"], 2, "No model was given"),
        (["build", "m.keras", "--target", "rpi4"], 2, "The model 'm.keras' does not exist"),
        (["build", "m.keras", "--target", "rpi4", "--data", "d.npz"], 2, "'d.npz'"),
        (["build", "m.keras", "--data", "d.npz"], 2, "no target"),
        (["deploy", "nothing", "--to", "local:"], 2, "'nothing'"),
        (["deploy", "nothing"], 2, "No device was given"),
        (["releases", "carrier-pigeon:"], 2, "'carrier-pigeon:' is not a device address"),
        (["bench", "local:", "--runs", "0"], 2, ""),
        (["report", "nothing.json"], 6, "nothing.json"),
        (["report"], 2, "There are no runs"),
        (["emulate", "start", "rpi9"], 2, "rpi9"),
        (["trust", "127.0.0.1:1"], 4, "127.0.0.1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_end_in_a_sentence_and_an_exit_code(run: Any, arguments: list[str], code: int, message: str) -> None:
    got, out, err = run(*arguments)
    assert (got, message in err, "Traceback" in err) == (code, True, False), err
    assert out == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("build --jsonx --json", "No such option: --jsonx"),
        ("no-such-command --json", "No such command 'no-such-command'"),
        ("build --samples 0 --json", "0 is not in the range"),
        ("build --json -o", "requires an argument"),
        ("targets rpi4 other --json", "'other' goes with 'edgeq targets new' only"),
        ("targets --like rpi4 --json", "'--like' goes with 'edgeq targets new' only"),
    ],
)
def test_a_line_that_cannot_be_taken_is_told_like_every_error(run: Any, line: str, words: str) -> None:
    code, out, err = run(*line.split())
    error = json.loads(out)["error"]
    assert (code, error["exit_code"], words in error["message"]) == (2, 2, True)
    assert err.startswith("error: ") and "hint: " in err


def test_many_files_behind_one_option(run: Any, tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).touch()
    code, _, err = run("run", "local:", "--input", "a.wav", "b.wav", "c.wav")
    assert (code, "An option takes one file" in err, "the folder" in err) == (2, True, True)


def test_a_group_without_a_command_shows_its_help(run: Any) -> None:
    code, out, err = run("emulate")
    assert (code, "list" in out, err) == (2, True, "")


def test_control_c_is_told(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgeq.target.load_target", stopped)
    code, out, err = run("targets", "rpi4", "--json")
    assert (code, json.loads(out)["error"]["exit_code"], "Interrupted. Run" in err) == (130, 130, True)
