"""`edgeq doctor`: what is missing here has a line that fixes it, and only what the project needs makes it fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq import doctor
from edgeq.doctor import MISSING, NOTE, OK, Check, diagnose, failed
from edgeq.host.paths import home
from edgeq.project import Project, read_project

PROJECT = """
[project]
model = "digits.keras"
targets = ["rpi4", "nonsense"]
[devices]
pi = "ssh://pi@raspberrypi"
stick = "serial:/dev/ttyACM0"
board = "qemu:mps2-an386"
"""


@pytest.fixture(autouse=True)
def _no_slow_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow takes seconds to load; one test does it."""
    monkeypatch.setattr(doctor, "IMPORTS", {})


def found(project: Project | None = None) -> dict[str, Check]:
    return {check.name: check for check in diagnose(project or Project(Path()))}


def test_every_missing_thing_has_its_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    checks = found()
    missing = [check for check in checks.values() if check.state == MISSING]
    assert {"ssh", "cc", "apt-get", "qemu:rpi4", "qemu:rpi-zero-2-w-32", "compiler for riscv32"} <= {
        check.name for check in missing
    }
    assert all(check.fix for check in missing)
    assert not failed(checks.values())


def test_a_system_without_apt_is_told_names_and_no_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    fix = found()["cc"].fix
    assert "package manager" in fix and "gcc" in fix and "apt-get" not in fix
    tool = tmp_path / "apt-get"
    tool.write_text("#!/bin/sh\n", encoding="utf-8")
    tool.chmod(0o755)
    assert found()["cc"].fix == "apt-get install -y gcc"


def test_elsewhere_nothing_says_apt_get_and_emulators_need_linux(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("edgeq.host.system.sys.platform", "darwin")
    checks = found()
    assert not any("apt-get" in check.fix + check.name for check in checks.values())
    assert checks["qemu:rpi4"].says == "An emulated device needs Linux; this is macOS."
    assert "virtual machine" in checks["qemu:rpi4"].fix


def test_outside_a_project_nothing_is_needed() -> None:
    checks = found()
    assert checks["python"].state == OK
    assert checks["EDGEQ_HOME"].says.startswith(str(home()))
    assert not any(check.needed for check in checks.values())


def test_a_project_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "edgeq.toml").write_text(PROJECT)
    checks = found(read_project(tmp_path / "edgeq.toml"))
    needed = {name for name, check in checks.items() if check.needed}
    assert {"tensorflow", "ai-edge-litert", "paramiko", "pyserial", "qemu:mps2-an386"} <= needed
    assert "scikit-learn" not in needed
    assert (checks["target nonsense"].state, checks["project.model"].state) == (MISSING, MISSING)
    assert failed(checks.values())


def test_caches_are_counted() -> None:
    folder = home() / "wheels"
    folder.mkdir(parents=True)
    (folder / "a.whl").write_bytes(bytes(1 << 20))
    (folder / "b").symlink_to("nowhere")
    check = found()["wheels/"]
    assert check.state == NOTE
    assert check.says.startswith("2 files, 1")


def test_offline_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEQ_OFFLINE", "1")
    assert "nothing is fetched" in found()["offline"].says
    monkeypatch.setenv("EDGEQ_OFFLINE", "0")
    assert "is fetched when it is needed" in found()["offline"].says


def test_what_is_installed_and_does_not_load_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "IMPORTS", {"pyserial": "raise ImportError('libsomething.so: cannot open')"})
    check = found()["pyserial"]
    assert (check.state, "does not load: ImportError: libsomething.so: cannot open" in check.says) == (MISSING, True)


def test_the_command(tmp_path: Path) -> None:
    """The real thing, TensorFlow in a process of its own included."""
    (tmp_path / "edgeq.toml").write_text('[project]\ntargets = ["nonsense"]\n')
    command = [sys.executable, "-m", "edgeq", "doctor"]
    done = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"]) == (1, False)
    states = {check["name"]: check["state"] for check in document["checks"]}
    assert (states["python"], states["target nonsense"]) == (OK, MISSING)
