"""What this device is: one small reader for each fact, pure parsers beside them."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import edgeq
from edgeq.agent import installed
from edgeq.runtime import available


def describe(root: Path, agent_sha: str) -> dict[str, Any]:
    """The facts of `describe`; sizes in bytes, those of the disk are of the file system that the store lies on."""
    emulator = _read("/etc/edgeq-emulated")
    runtime, bits = available(), 8 * struct.calcsize("P")
    disk = shutil.disk_usage(root)
    return {
        "protocol": 1,
        "kind": "linux",
        "agent": edgeq.__version__,
        "agent_sha": agent_sha,
        "host": socket.gethostname(),
        "board": _read("/sys/firmware/devicetree/base/model")
        or _read("/sys/class/dmi/id/product_name")
        or platform.machine(),
        "arch": arch(),
        "kernel_arch": platform.machine(),
        "bits": bits,
        "cpu": parse_cpuinfo(_read("/proc/cpuinfo")) or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "os": parse_os_release(_read("/etc/os-release")),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "libc": libc(),
        "numpy": package_version("numpy"),
        "ram_bytes": parse_meminfo(_read("/proc/meminfo")),
        "free_bytes": disk.free,
        "disk_bytes": disk.total,
        "bench": 1,
        "emulated": bool(emulator),
        "emulator": emulator,
        "runtime": {"name": runtime[0], "version": runtime[1]} if runtime else None,
        "store": str(root),
        "service": os.environ.get("EDGEQ_SERVICE") or None,
        "findings": [
            *place_findings(parse_mounts(_read("/proc/self/mounts")), str(root.resolve())),
            *installed.findings(os.environ.get("EDGEQ_SERVICE", "")),
        ],
    }


def parse_mounts(text: str) -> list[tuple[str, str, list[str]]]:
    """/proc/self/mounts -> (mount point, kind of file system, options), in the order in which they were mounted."""
    found = []
    for line in text.splitlines():
        words = [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), word) for word in line.split()]
        if len(words) >= 4:
            found.append((words[1], words[2], words[3].split(",")))
    return found


def place_findings(mounts: list[tuple[str, str, list[str]]], folder: str) -> list[dict[str, str]]:
    """What is to be said of the place where a store lies: `code`, `severity`, `message` and `hint`."""
    here = _mount_of(mounts, folder)
    if here is None:
        return []
    point, kind, options = here
    found = []
    if "ro" in options:
        message = f"{folder} lies on {point}, which is mounted read-only: nothing can be deployed"
        found.append(_finding("store-read-only", "error", message, "Mount it for writing, or set XDG_DATA_HOME."))
    if "noexec" in options:
        message = f"{folder} lies on {point}, which is mounted noexec: no runtime that is sent there can be loaded"
        found.append(_finding("store-noexec", "error", message, _EXECUTABLE))
    if kind in _IN_MEMORY:
        message = f"{folder} lies on {point}, a {kind} in memory: releases do not survive a reboot"
        found.append(_finding("store-in-memory", "warning", message, _ELSEWHERE))
    if kind in _OVERLAYS:
        upper = next((option[len("upperdir=") :] for option in options if option.startswith("upperdir=")), "")
        under = _mount_of([mount for mount in mounts if mount[1] not in _OVERLAYS], upper) if upper else None
        if under is not None and under[1] in _IN_MEMORY:
            message = (
                f"{folder} lies on {point}, an overlay whose changes are in memory: releases do not survive a reboot"
            )
            found.append(_finding("store-in-memory", "warning", message, _ELSEWHERE))
        else:
            message = f"{folder} lies on {point}, an overlay: releases last as long as its upper layer does"
            found.append(_finding("store-on-overlay", "info", message, _ELSEWHERE))
    return found


_IN_MEMORY = ("tmpfs", "ramfs", "rootfs")
_OVERLAYS = ("overlay", "overlayfs", "aufs", "unionfs")
_ELSEWHERE = "Set XDG_DATA_HOME to a folder on a disk or card that is written to, such as a data partition."
_EXECUTABLE = "Mount it with exec, set XDG_DATA_HOME to a folder elsewhere, or use the device's own runtime: 'system'."


def _finding(code: str, severity: str, message: str, hint: str) -> dict[str, str]:
    return {"code": code, "severity": severity, "message": message, "hint": hint}


def _mount_of(mounts: list[tuple[str, str, list[str]]], path: str) -> tuple[str, str, list[str]] | None:
    """The mount that `path` lies on: the deepest point above it, of several at one point the last."""
    above = [mount for mount in mounts if (path + "/").startswith(mount[0].rstrip("/") + "/")]
    return max(reversed(above), key=lambda mount: len(mount[0]), default=None)


def arch() -> str:
    """What programs here are compiled for, in the words of `uname -m`; it is what wheels are made for."""
    return userland(8 * struct.calcsize("P"), platform.machine(), sysconfig.get_config_var("MULTIARCH") or "")


def userland(bits: int, machine: str, multiarch: str = "") -> str:
    """The architecture of programs of `bits` under a kernel that says `machine`; `multiarch` as Debian's Python has it.

    A 64-bit kernel runs 32-bit programs, and says aarch64 or armv8l to them: many a Raspberry Pi has one. A 32-bit
    kernel says armv6l or armv7l, and that is the processor.
    """
    narrow = {"aarch64": "armv7l", "armv8l": "armv7l", "armv8b": "armv7l", "arm64": "armv7l", "x86_64": "i686"}
    wide = {"arm64": "aarch64", "amd64": "x86_64", "AMD64": "x86_64", "armv8l": "aarch64"}
    if bits == 32:
        return "armel" if multiarch == "arm-linux-gnueabi" else narrow.get(machine, machine)
    return wide.get(machine, machine)


def libc() -> str:
    """`glibc 2.36`, `musl 1.2.5`, or "unknown"."""
    said = " ".join(platform.libc_ver()).strip()
    if said:
        return said
    loaders = sorted(Path("/lib").glob("ld-musl-*.so.1"))
    return parse_musl(_output([str(loaders[0])], errors=True)) if loaders else "unknown"


def parse_musl(text: str) -> str:
    """What musl's loader says of itself when it gets nothing to load -> `musl 1.2.5`."""
    for line in text.splitlines():
        if line.startswith("Version "):
            return "musl " + line.split()[1]
    return "musl"


def package_version(name: str) -> str:
    """The version of a package that this Python can import, '' without one."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def parse_os_release(text: str) -> str:
    """`PRETTY_NAME` of /etc/os-release."""
    for line in text.splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip('"')
    return sys.platform


def parse_cpuinfo(text: str) -> str:
    """The processor's name in /proc/cpuinfo: from the part number on Arm, else `model name`."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    parts = {"0xb76": "ARM1176JZF-S", "0xc07": "Cortex-A7", "0xd03": "Cortex-A53", "0xd08": "Cortex-A72"}
    parts["0xd0b"] = "Cortex-A76"
    return parts.get(found.get("CPU part", "")) or found.get("model name", "")


def parse_meminfo(text: str) -> int:
    """`MemTotal` of /proc/meminfo in bytes; 0 if it is not there."""
    for line in text.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_bytes()[:65536].decode("utf-8", "replace").rstrip("\0\n ")
    except OSError:
        return ""


def _output(command: list[str], errors: bool = False) -> str:
    """What a program prints on stdout, or on stderr where `errors` is set; nothing where it does not run."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=2, check=False)
        return (done.stderr if errors else done.stdout).decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""
