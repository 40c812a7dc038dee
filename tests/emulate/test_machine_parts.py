"""Small parts of the emulators: archive, modules, programs, filter, sshd's configuration."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from edgeq.emulate.cpio import archive
from edgeq.emulate.keys import known_hosts_line, make_key
from edgeq.emulate.modules import dependencies, modules_in_order
from edgeq.emulate.proot_filter import (
    ABIS,
    ALLOW,
    ARCH,
    DONE_NOTHING,
    FIRST_ARGUMENT,
    LOAD,
    NOT_IMPLEMENTED,
    NUMBER,
    PR_SET_DUMPABLE,
    RETURN,
    Abi,
    bpf,
)
from edgeq.emulate.sshd import sshd_config
from edgeq.emulate.tiny import STATUS, linux_program
from edgeq.emulate.userlands import Userland, userlands


def test_cpio_is_what_cpio_reads(tmp_path: Path) -> None:
    if not shutil.which("cpio"):
        pytest.skip("cpio is not installed")
    data = archive({"init": (0o755, b"#!/bin/sh\n"), "a/b/c": (0o600, b"xyz")})
    subprocess.run(["cpio", "-idm", "--quiet"], input=data, cwd=tmp_path, check=True)
    assert (tmp_path / "a/b/c").read_bytes() == b"xyz"
    assert (tmp_path / "a/b/c").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755


def test_a_module_comes_after_what_it_needs(tmp_path: Path) -> None:
    def module(name: str, *needs: str) -> None:
        (tmp_path / f"{name}.ko").write_bytes(
            b"\x7fELF\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=x\0"
        )

    module("virtio_net", "net_failover", "virtio")
    module("net_failover", "failover")
    module("failover")
    module("virtio")
    module("virtio-rng", "virtio")
    names = [name for name, _ in modules_in_order(tmp_path, ("virtio_net", "virtio_rng", "built_in"))]
    assert names == ["failover", "net_failover", "virtio", "virtio_net", "virtio_rng"]
    assert dependencies(b"nothing here") == []


@pytest.mark.parametrize("userland", userlands().values(), ids=userlands())
def test_the_tiny_program_runs_under_qemu_user(userland: Userland, tmp_path: Path) -> None:
    emulator = userland.emulator()
    if not emulator:
        pytest.skip("qemu-user is not installed")
    program = tmp_path / "program"
    program.write_bytes(linux_program(userland.arch))
    program.chmod(0o755)
    assert (program.read_bytes()[4], program.read_bytes()[18]) == userland.elf
    assert subprocess.run([emulator, "-cpu", userland.qemu_user_cpu, str(program)], timeout=20).returncode == STATUS


def _filtered(abi: Abi, arch: int, number: int, argument: int = 0) -> int:
    """What the kernel would answer: a tiny interpreter of the few instructions in use."""
    code, at, value = bpf(abi), 0, 0
    data = {NUMBER: number, ARCH: arch, FIRST_ARGUMENT: argument}
    while True:
        kind, if_true, if_false, operand = struct.unpack_from("=HBBI", code, at * 8)
        at += 1
        if kind == RETURN:
            return int(operand)
        if kind == LOAD:
            value = data[operand]
        else:
            at += if_true if value == operand else if_false


@pytest.mark.parametrize("abi", ABIS.values(), ids=ABIS)
def test_the_filter_hides_what_proot_does_not_know(abi: Abi) -> None:
    for number in range(500):
        expected = NOT_IMPLEMENTED if number in abi.unknown else ALLOW
        assert _filtered(abi, abi.audit_arch, number) == expected
        assert _filtered(abi, abi.audit_arch + 1, number) == ALLOW
    assert _filtered(abi, abi.audit_arch, abi.prctl, PR_SET_DUMPABLE) == DONE_NOTHING
    assert _filtered(abi, abi.audit_arch, abi.prctl, PR_SET_DUMPABLE + 1) == ALLOW
    assert _filtered(abi, abi.audit_arch, abi.prctl + 1, PR_SET_DUMPABLE) == ALLOW


def test_keys_and_known_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_key(tmp_path / "key", "me")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    before = (tmp_path / "key").read_bytes()
    make_key(tmp_path / "key", "me")
    assert (tmp_path / "key").read_bytes() == before
    line = known_hosts_line(tmp_path / "key.pub", "127.0.0.1", 4022)
    assert line.startswith("[127.0.0.1]:4022 ssh-ed25519 AAAA")
    assert line.count(" ") == 2

    pytest.importorskip("cryptography")
    monkeypatch.setattr("edgeq.emulate.keys.shutil.which", lambda _name: None)
    make_key(tmp_path / "other", "me")
    assert b"OPENSSH PRIVATE KEY" in (tmp_path / "other").read_bytes()
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o600


def test_every_login_gets_the_safe_cpu_model() -> None:
    config = sshd_config("c00c1e", "cortex-a72")
    assert "SetEnv QEMU_CPU=cortex-a72 EDGEQ_EMULATOR=c00c1e" in config
    assert "VersionAddendum edgeq-c00c1e" in config
    for line in ("UsePAM no", "UseDNS no", "StrictModes no", "PidFile none", "Subsystem sftp"):
        assert line in config
