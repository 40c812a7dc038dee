"""What recipe B boots: kernel, initramfs and disk image, made from packages without root and cached."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgeq.emulate.apt import host_sources
from edgeq.emulate.cpio import archive
from edgeq.emulate.modules import modules_in_order
from edgeq.emulate.rootfs import UID, USER, Progress, building, private_apt, unpack
from edgeq.emulate.sshd import FOLDER, PATH, sshd_command
from edgeq.errors import UsageError
from edgeq.host.paths import home

FORMAT = 1
KERNELS = ("linux-image-cloud-arm64", "linux-image-virtual", "linux-image-arm64")
"""The first that the distribution has: a small one of Debian, one of Ubuntu, Debian's full one."""

MODULES = ("virtio_mmio", "virtio_blk", "virtio_net", "virtio_rng", "ext4")
GUEST_PORT = 22
POWERDOWN = "poweroff"
HOME_BYTES = 4 << 30
_SPARE_BYTES = 64 << 20

_INIT = f"""#!/bin/busybox sh
# Written by edgeq. Loads drivers, finds the disks by their serial, hands over to the root file system.
b=/bin/busybox
$b mkdir -p /proc /sys /dev /new
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
for module in $($b cat /modules/order); do $b insmod /modules/$module; done
disk() {{
    for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        for found in /sys/block/vd*; do
            [ "$($b cat $found/serial 2>/dev/null)" = $1 ] && echo /dev/${{found##*/}} && return
        done
        $b usleep 100000
    done
}}
$b mount -t ext4 -o ro "$(disk root)" /new || echo "edgeq: no root disk"
$b mount -t ext4 "$(disk home)" /new/home || echo "edgeq: no home disk"
$b ip link set lo up
$b ip link set eth0 up
$b ip addr add 10.0.2.15/24 dev eth0 || echo "edgeq: no network"
for word in $($b cat /proc/cmdline); do
    case $word in edgeq.epoch=*) $b date -s @${{word#*=}} >/dev/null ;; esac
done
$b mount -t tmpfs -o mode=755 tmpfs /new/etc/edgeq
$b cp -a /edgeq/. /new/etc/edgeq
$b mount -o remount,ro /new/etc/edgeq
$b umount /sys
$b mount -o move /dev /new/dev
$b mount -o move /proc /new/proc
exec $b switch_root /new {FOLDER}/boot
"""

_BOOT = f"""#!/bin/sh
# Written by edgeq. /sys is not mounted: the root file system holds the board's files there.
export PATH=/usr/sbin:/sbin:{PATH} HOME=/root
mount --bind /usr/share/edgeq/cpuinfo /proc/cpuinfo
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,gid=5,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /home/{USER}
chown {UID}:{UID} /home/{USER}
hostname "$(cat /etc/hostname)"
(
    # The supervisor writes one line to the console when the device shall go down in order.
    while read -r line; do
        if [ "$line" = {POWERDOWN} ]; then
            kill -TERM -1
            sleep 0.2
            kill -KILL -1
            umount /home || mount -o remount,ro /home
            sync
            echo o > /proc/sysrq-trigger
        fi
    done
) < /dev/console &
exec {" ".join(sshd_command(GUEST_PORT, "0.0.0.0"))}
"""  # noqa: S104 - inside the guest, behind a forward from 127.0.0.1


@dataclass(frozen=True)
class Machine:
    """Files that any instance can boot from; the disk is used read only."""

    kernel: Path
    initramfs: Path
    disk: Path


def machine(rootfs: Path, progress: Progress) -> Machine:
    """The cached machine for `rootfs`, made first if need be (22 MB of packages, 120 MB on disk)."""
    sources = host_sources()
    folder = home() / "cache" / "machine" / f"{rootfs.name}-{_digest(sources.text)}"
    found = Machine(folder / "vmlinuz", folder / "initramfs", folder / "root.ext4")
    with building(folder, progress, "the emulated machine") as part:
        if part:
            progress("Fetching an arm64 kernel for the emulated machine (once, about 22 MB)")
            with private_apt(sources, "arm64") as apt:
                known = apt.known()
                kernel = next((name for name in KERNELS if name in known), None)
                if not kernel:
                    raise UsageError(
                        f"The apt sources have none of {', '.join(KERNELS)}.", "EDGEQ_APT_SOURCES names others."
                    )
                debs = apt.fetch([kernel, "busybox-static"])
                scratch = part / "scratch"
                _unpack_boot(debs, scratch)
            progress("Making the initramfs and the disk of the emulated machine")
            _collect(scratch, part / "vmlinuz", part / "initramfs")
            shutil.rmtree(scratch)
            make_ext4(part / "root.ext4", _size(rootfs) + _SPARE_BYTES, rootfs)
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(repr((FORMAT, KERNELS, MODULES, _INIT, _BOOT, text)).encode()).hexdigest()[:16]


def _unpack_boot(debs: list[Path], scratch: Path) -> None:
    for name in ("bin", "sbin", "lib"):
        (scratch / "usr" / name).mkdir(parents=True)
        (scratch / name).symlink_to(f"usr/{name}")
    for deb in debs:
        if deb.name.startswith(("linux-image", "linux-modules", "busybox-static")):
            unpack(deb, scratch)


def _collect(scratch: Path, kernel: Path, initramfs: Path) -> None:
    kernels = sorted((scratch / "boot").glob("vmlinuz-*"))
    folders = sorted((scratch / "lib/modules").glob("*"))
    if len(kernels) != 1 or len(folders) != 1:
        raise UsageError(
            "The kernel package does not hold one kernel and its modules.", "EDGEQ_APT_SOURCES names other sources."
        )
    shutil.copyfile(kernels[0], kernel)
    modules = modules_in_order(folders[0], MODULES)
    files = {f"modules/{name}.ko": (0o644, content) for name, content in modules}
    files["modules/order"] = (0o644, "".join(f"{name}.ko\n" for name, _ in modules).encode())
    files["init"] = (0o755, _INIT.encode())
    files["bin/busybox"] = (0o755, (scratch / "bin/busybox").read_bytes())
    initramfs.write_bytes(archive(files))


def seat_initramfs(common: Path, etc: Path, path: Path) -> None:
    """The common initramfs plus a second archive with the instance's /etc/edgeq; the kernel reads both."""
    files = {
        f"edgeq/{item.name}": (item.stat().st_mode & 0o777, item.read_bytes())
        for item in etc.iterdir()
        if item.is_file()
    }
    files["edgeq/boot"] = (0o755, _BOOT.encode())
    base = common.read_bytes()
    path.write_bytes(base + bytes(-len(base) % 512) + archive(files))
    path.chmod(0o600)


def make_ext4(path: Path, size_bytes: int, content: Path | None = None) -> None:
    """A sparse ext4 image, made without mounting; a disk with content is read only and needs no journal."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.truncate(size_bytes)
    options = ["-d", str(content), "-O", "^has_journal", "-m", "0"] if content else ["-m", "0", "-J", "size=8"]
    command = [mke2fs(), "-q", "-F", "-t", "ext4", *options, str(part)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[0]
        raise UsageError(f"mke2fs could not make {path}: {reason}.", "Look for free space in EDGEQ_HOME.")
    part.replace(path)


def mke2fs() -> str:
    """mke2fs, which plain users do not have in their PATH; '' if there is none."""
    return shutil.which("mke2fs") or shutil.which("mke2fs", path="/usr/sbin:/sbin") or ""


def _size(folder: Path) -> int:
    """Bytes on disk, each file rounded up to blocks with its inode."""
    return sum((path.lstat().st_size + 4095) // 4096 * 4096 + 512 for path in folder.rglob("*"))
