"""Recipe A': the userland under qemu-user and proot, which needs neither namespaces nor binfmt_misc.

proot is no sandbox: what runs in the guest runs as the user who started it, and can reach the host's files.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from edgeq.emulate.plan import Plan, Seat
from edgeq.emulate.recipe_namespaces import DRY_RUN_TIMEOUT_S
from edgeq.emulate.rootfs import GROUP_WITHOUT_TTY, UID
from edgeq.emulate.sshd import FOLDER, MARKER, PATH, sshd_command
from edgeq.emulate.tiny import STATUS, linux_program
from edgeq.emulate.userlands import Userland
from edgeq.errors import UsageError


def try_proot(userland: Userland) -> tuple[bool, str]:
    """Whether proot works here, from a dry run, and why."""
    needed = (("proot", shutil.which("proot")), ("qemu-user-static", userland.emulator()))
    missing = [package for package, found in needed if not found]
    if missing:
        return False, f"{' and '.join(missing)} not installed (apt-get install -y {' '.join(missing)})"
    with tempfile.TemporaryDirectory(prefix="edgeq-dry-run-") as name:
        program = Path(name) / "program"
        program.write_bytes(linux_program(userland.arch))
        program.chmod(0o755)
        command = [*_proot(userland, Path(name)), "/program"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=DRY_RUN_TIMEOUT_S, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            return False, f"a dry run of proot did not end within {DRY_RUN_TIMEOUT_S:.0f} s"
    if done.returncode != STATUS:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return False, f"a dry run of proot failed: {lines[0] if lines else f'status {done.returncode}'}"
    return True, "proot works here"


def _proot(userland: Userland, root: Path) -> list[str]:
    emulator = f"{userland.emulator()} -cpu {userland.qemu_user_cpu}"
    filtered = [sys.executable, "-I", "-S", str(Path(__file__).with_name("proot_filter.py"))]
    return [*filtered, "proot", "-q", emulator, "-r", str(root), "-i", f"{UID}:{UID}", "-w", "/"]


def _terminals_belong_to_tty() -> bool:
    """Whether the host gives new terminals to the group tty (5), as sshd wants it where there is such a group."""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
        _, target, kind, options, *_ = line.split()
        if target == "/dev/pts" and kind == "devpts":
            return "gid=5" in options.split(",")
    return False


def plan_proot(seat: Seat) -> Plan:
    """The guest's one user is pi, whoever starts it."""
    scratch = seat.folder / "scratch"
    for name in ("tmp", "run", "shm"):
        shutil.rmtree(scratch / name, ignore_errors=True)
        (scratch / name).mkdir(parents=True)
    binds = [
        ("/dev", "/dev"),
        (scratch / "shm", "/dev/shm"),  # noqa: S108 - a path in the guest
        ("/proc", "/proc"),
        (seat.rootfs / "usr/share/edgeq/cpuinfo", "/proc/cpuinfo"),
        (seat.rootfs / "sys/firmware/devicetree/base", "/proc/device-tree"),
        (seat.folder / "etc", FOLDER),
        (seat.folder / "home", "/home"),
        (scratch / "tmp", "/tmp"),  # noqa: S108 - a path in the guest
        (scratch / "run", "/run"),
    ]
    if not _terminals_belong_to_tty():
        binds.append((seat.rootfs / GROUP_WITHOUT_TTY, "/etc/group"))
    if ":" in str(seat.folder) + str(seat.rootfs):
        raise UsageError(
            f"proot cannot use the folder {seat.folder}: it has a colon in its name.",
            "Set EDGEQ_HOME to another folder.",
        )
    options = [word for source, target in binds for word in ("-b", f"{source}:{target}")]
    environment = (
        ("QEMU_CPU", seat.userland.qemu_user_cpu),
        ("PATH", f"/usr/sbin:/sbin:{PATH}"),
        ("HOME", "/home/pi"),
        (MARKER, seat.cookie),
    )
    cleared = ["env", "-i", "TMPDIR=/tmp", "LC_ALL=C.UTF-8", f"PROOT_TMP_DIR={scratch}"]
    command = [
        *cleared,
        *(f"{name}={value}" for name, value in environment),
        *_proot(seat.userland, seat.rootfs),
        *options,
    ]
    return Plan((*command, *sshd_command(seat.port)), "qemu-user proot", banner_timeout_s=60.0)
