"""`scripts/setup.sh`: what it does about missing system packages, with stand-ins for the commands that change them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("bash", "basename", "cat", "cut", "dirname", "env", "mktemp", "rm", "sed", "sha256sum", "tail")
PACKAGES = ("qemu-aarch64-static", "ssh-keygen", "dpkg-deb", "proot", "qemu-system-aarch64", "mke2fs", "cpio")
PACKAGES += ("modprobe", "zstd", "chromium", "sshd", "cc", "clang", "arm-none-eabi-gcc", "arm-linux-gnueabihf-gcc")
PACKAGES += ("aarch64-linux-gnu-gcc",)
PACKAGES += ("riscv64-unknown-elf-gcc", "qemu-system-riscv32", "strace", "mender-artifact", "mender")


class Machine:
    """A checkout with a finished .venv, and a search path that holds only what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.checkout, self.calls = folder / "bin", folder / "checkout", folder / "calls"
        for made in (self.bin, self.checkout / "scripts", self.checkout / ".venv" / "bin"):
            made.mkdir(parents=True)
        for name in ("scripts/setup.sh", "pyproject.toml"):
            shutil.copy2(ROOT / name, self.checkout / name)
        for name in TOOLS:
            (self.bin / name).symlink_to(str(shutil.which(name)))
        self.command("id", "echo 1000")
        # What has no command of its own is asked for by its package.
        self.command("dpkg-query", 'case "$*" in *libclang-rt-dev*) printf installed;; *) exit 1;; esac')
        self.command("apt-get", f'echo "$@" >>"{self.calls}"')
        self.write(self.checkout / ".venv" / "bin" / "python", f'echo "python $@" >>"{self.calls}"')
        digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
        (self.checkout / ".venv" / "stamp").write_text(f"{digest} {self.checkout}\n")

    def write(self, path: Path, body: str) -> None:
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def command(self, name: str, body: str = "") -> None:
        self.write(self.bin / name, body)

    def setup(self, purpose: str = "test") -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.bin), "HOME": os.environ.get("HOME", "/"), "TMPDIR": str(self.bin.parent)}
        script = self.checkout / "scripts" / "setup.sh"
        return subprocess.run(
            [script, purpose], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )

    def apt_calls(self) -> list[str]:
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line for line in lines if not line.startswith("python")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("purpose", ["demo", "test", "check"])
def test_a_prepared_machine_is_left_alone(machine: Machine, purpose: str) -> None:
    for name in PACKAGES:
        machine.command(name)
    done = machine.setup(purpose)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.apt_calls() == []
    assert "pip install" not in machine.calls.read_text()


def test_a_user_who_cannot_be_root_gets_the_one_line(machine: Machine) -> None:
    for name in PACKAGES[1:]:
        machine.command(name)
    done = machine.setup()
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line == "apt-get update && apt-get install -y --no-install-recommends qemu-user-static"
    assert machine.apt_calls() == []


def test_what_is_optional_does_not_stop_a_plain_user(machine: Machine) -> None:
    for name in PACKAGES:
        if name != "proot":
            machine.command(name)
    done = machine.setup()
    assert done.returncode == 0
    assert "going on without proot" in done.stderr


def test_root_installs_only_what_is_missing(machine: Machine) -> None:
    for name in PACKAGES:
        if name not in ("proot", "qemu-aarch64-static"):
            machine.command(name)
    machine.command("id", "echo 0")
    done = machine.setup("demo")
    assert done.returncode == 0
    update, install = machine.apt_calls()
    assert update.endswith(" update")
    assert install.endswith(" install --no-install-recommends qemu-user-static proot")


def test_sudo_is_used_where_it_asks_nothing(machine: Machine) -> None:
    for name in PACKAGES[1:]:
        machine.command(name)
    machine.command("sudo", f'echo "sudo $1 $2" >>"{machine.calls}"; [ "$1" = -n ] && exit 0; exec "$@"')
    done = machine.setup("demo")
    assert done.returncode == 0
    assert [call for call in machine.apt_calls() if not call.startswith("sudo")][1].endswith("qemu-user-static")


def test_an_optional_package_that_cannot_be_had_is_told(machine: Machine) -> None:
    for name in PACKAGES:
        if name != "chromium":
            machine.command(name)
    machine.command("id", "echo 0")
    machine.command("apt-get", 'case "$*" in *chromium*) exit 100;; esac')
    done = machine.setup()
    assert done.returncode == 0
    assert "cannot install chromium" in done.stderr


def test_a_required_package_that_cannot_be_had_stops(machine: Machine) -> None:
    machine.command("id", "echo 0")
    machine.command("apt-get", 'case "$*" in *install*) echo "E: no network"; exit 100;; esac')
    done = machine.setup()
    assert done.returncode == 1
    assert "E: no network" in done.stderr
    assert "cannot install qemu-user-static" in done.stderr


def test_a_changed_project_is_installed_again(machine: Machine) -> None:
    with (machine.checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert machine.setup("check").returncode == 0
    assert "python -m pip install" in machine.calls.read_text()
    machine.calls.unlink()
    assert machine.setup("check").returncode == 0
    assert "pip install" not in machine.calls.read_text()


def test_a_python_that_edgeq_does_not_support_is_named(machine: Machine) -> None:
    shutil.rmtree(machine.checkout / ".venv")
    machine.command("python3.9", "exit 1")
    script = machine.checkout / "scripts" / "setup.sh"
    environment = {"PATH": str(machine.bin), "PYTHON": "python3.9", "TMPDIR": str(machine.bin.parent)}
    done = subprocess.run([script, "check"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "PYTHON=python3.9 is not a Python from 3.10 to 3.13" in done.stderr
