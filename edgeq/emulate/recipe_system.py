"""Recipe B: a whole machine in qemu-system. Slower to start than the others, needs nothing of the host's kernel.

Its kernel is arm64 always, which also runs 32-bit programs, as many a Raspberry Pi does: `uname -m` says aarch64 there.

Under `-icount shift=0` one instruction takes one nanosecond of the guest's time, so its clock counts instructions.
The home lies on a disk of its own, home.ext4, in the instance's folder.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from edgeq.emulate.machine import GUEST_PORT, HOME_BYTES, POWERDOWN, machine, make_ext4, mke2fs, seat_initramfs
from edgeq.emulate.plan import Plan, Seat
from edgeq.emulate.rootfs import Progress
from edgeq.emulate.state import HOST
from edgeq.emulate.tiny import STATUS, bare_metal_program
from edgeq.emulate.userlands import Userland

QEMU = "qemu-system-aarch64"
DRY_RUN_TIMEOUT_S = 30.0
MEMORY_MB = 2048
BANNER_TIMEOUT_S = 240.0
POWERDOWN_GRACE_S = 15.0

_MACHINE = ("-M", "virt", "-icount", "shift=0", "-display", "none", "-monitor", "none", "-nodefaults")


def try_system(userland: Userland) -> tuple[bool, str]:
    """Whether qemu-system works here, from a dry run, and why."""
    missing = [
        package for package, found in (("qemu-system-arm", shutil.which(QEMU)), ("e2fsprogs", mke2fs())) if not found
    ]
    if missing:
        return False, f"{' and '.join(missing)} not installed (apt-get install -y {' '.join(missing)})"
    with tempfile.TemporaryDirectory(prefix="edgeq-dry-run-") as name:
        program = Path(name) / "program"
        program.write_bytes(bare_metal_program())
        semihosting = ["-semihosting-config", "enable=on,target=native"]
        command = [QEMU, *_machine(userland), *semihosting, "-m", "64", "-kernel", str(program)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=DRY_RUN_TIMEOUT_S, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            return False, f"a dry run of {QEMU} did not end within {DRY_RUN_TIMEOUT_S:.0f} s"
    if done.returncode != STATUS:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return False, f"a dry run of {QEMU} failed: {lines[0] if lines else f'status {done.returncode}'}"
    return True, f"{QEMU} works here"


def _machine(userland: Userland) -> tuple[str, ...]:
    return (*_MACHINE, "-cpu", userland.qemu_system_cpu)


def plan_system(seat: Seat, progress: Progress) -> Plan:
    """Boots in several seconds; goes down in order, so that the home disk is written."""
    found = machine(seat.rootfs, progress)
    home_disk = seat.folder / "home.ext4"
    if not home_disk.is_file():
        make_ext4(home_disk, HOME_BYTES)
    emulated = "qemu-system"
    (seat.folder / "etc" / "emulated").write_text(f"{emulated}\n", encoding="ascii")
    initrd = seat.folder / "initramfs"
    seat_initramfs(found.initramfs, seat.folder / "etc", initrd)
    forward = f"user,id=net,restrict=on,hostfwd=tcp:{HOST}:{seat.port}-10.0.2.15:{GUEST_PORT}"
    command = [
        *(QEMU, *_machine(seat.userland), "-m", str(MEMORY_MB), "-smp", "1", "-no-reboot"),
        *("-kernel", str(found.kernel), "-initrd", str(initrd)),
        *("-append", f"console=ttyAMA0 quiet loglevel=3 panic=-1 edgeq.epoch={int(time.time())}"),
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
        *_disk("root", found.disk, "readonly=on"),
        *_disk("home", home_disk, "cache=writeback"),
        *("-netdev", forward, "-device", "virtio-net-device,netdev=net"),
        *("-device", "virtio-rng-device"),
    ]
    return Plan(tuple(command), emulated, BANNER_TIMEOUT_S, POWERDOWN, POWERDOWN_GRACE_S)


def _disk(name: str, path: Path, option: str) -> list[str]:
    escaped = str(path).replace(",", ",,")
    drive = f"if=none,id={name},format=raw,file={escaped},{option}"
    return ["-drive", drive, "-device", f"virtio-blk-device,drive={name},serial={name}"]
