"""Recipe A: the userland under qemu-user, in namespaces of its own. Starts in a fraction of a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgeq.emulate.plan import Plan, Seat
from edgeq.emulate.rootfs import GROUP_WITHOUT_TTY
from edgeq.emulate.sshd import FOLDER, MARKER, PATH, sshd_command
from edgeq.emulate.tiny import STATUS, linux_program
from edgeq.emulate.userlands import Userland

SCRIPT = Path(__file__).with_name("namespaces.py")
INSTALL_QEMU_USER = "apt-get install -y qemu-user-static"
DRY_RUN_TIMEOUT_S = 20.0


def maps_all_ids() -> bool:
    """True where this process is root over the ids 0..65535, so that the guest can have root, sshd and pi."""
    if os.geteuid() != 0:
        return False
    lines = [line.split() for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()]
    return any(int(first) == 0 and int(count) >= 65536 for first, _, count in lines)


def try_namespaces(userland: Userland) -> tuple[str, str]:
    """('own' or 'host', why): the binfmt_misc registration that works here; ('', why not): from dry runs."""
    emulator = userland.emulator()
    if not emulator:
        return "", f"{userland.qemu_user}-static is not installed ({INSTALL_QEMU_USER})"
    with tempfile.TemporaryDirectory(prefix="edgeq-dry-run-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        root = _dry_root(folder, userland)
        reason = _dry_run(folder, root, userland, emulator)
        if not reason:
            return "own", "user, mount and pid namespaces with a binfmt_misc of their own work here"
        if not _dry_run(folder, root, userland, ""):
            return (
                "host",
                f"user, mount and pid namespaces work here, and {userland.arch} programs are registered in the host's "
                "binfmt_misc",
            )
    return "", reason


def _dry_root(folder: Path, userland: Userland) -> Path:
    root = folder / "root"
    for name in ("dev", "proc", "run", "tmp", "etc"):
        (root / name).mkdir(parents=True)
    userland.write(root)
    program = root / "program"
    program.write_bytes(linux_program(userland.arch))
    program.chmod(0o755)
    return root


def _dry_run(folder: Path, root: Path, userland: Userland, emulator: str) -> str:
    """'' when the tiny program ran in the namespaces, else what failed."""
    spec = write_spec(folder / "spec.json", userland, root, [], emulator, ["/program"], "")
    command = [sys.executable, "-I", "-S", str(SCRIPT), str(spec)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=DRY_RUN_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return f"a dry run did not end within {DRY_RUN_TIMEOUT_S:.0f} s"
    if done.returncode == STATUS:
        return ""
    lines = [line.removeprefix("edgeq: ") for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"a dry run ended with status {done.returncode}"


def write_spec(
    path: Path,
    userland: Userland,
    root: Path,
    binds: Sequence[tuple[Path, str, bool]],
    emulator: str,
    command: Sequence[str],
    cookie: str,
) -> Path:
    """Write the document that namespaces.py reads."""
    spec = {
        "rootfs": str(root),
        "binds": [[str(source), *rest] for source, *rest in binds],
        "emulator": emulator,
        "elf": userland.elf,
        "all_ids": maps_all_ids(),
        "hostname": userland.hostname,
        "command": list(command),
        "environment": {
            "QEMU_CPU": userland.qemu_user_cpu,
            "PATH": f"/usr/sbin:/sbin:{PATH}",
            "HOME": "/root",
            MARKER: cookie,
        },
    }
    path.write_text(json.dumps(spec, indent=1), encoding="utf-8")
    return path


def plan_namespaces(seat: Seat, binfmt: str) -> Plan:
    """`binfmt` is what `try_namespaces` found: 'own' or 'host'."""
    binds = [(seat.folder / "etc", FOLDER, False), (seat.folder / "home", "/home", True)]
    if not maps_all_ids():
        binds.append((seat.rootfs / GROUP_WITHOUT_TTY, "/etc/group", False))
    emulator = seat.userland.emulator() if binfmt == "own" else ""
    path, guest = seat.folder / "spec.json", sshd_command(seat.port)
    spec = write_spec(path, seat.userland, seat.rootfs, binds, emulator, guest, seat.cookie)
    command = (sys.executable, "-I", "-S", str(SCRIPT), str(spec))
    return Plan(command, "qemu-user namespaces", banner_timeout_s=30.0)
