"""What this device is, and what its sensors say now: one small reader each, pure parsers beside them."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import edgeq
from edgeq.runtime import available


def describe(root: Path, agent_sha: str) -> dict[str, Any]:
    """The facts of `describe`; sizes in bytes."""
    emulator = _read("/etc/edgeq-emulated")
    runtime = available()
    return {
        "protocol": 1,
        "kind": "linux",
        "agent": edgeq.__version__,
        "agent_sha": agent_sha,
        "host": socket.gethostname(),
        "board": _read("/sys/firmware/devicetree/base/model")
        or _read("/sys/class/dmi/id/product_name")
        or platform.machine(),
        "arch": platform.machine(),
        "cpu": parse_cpuinfo(_read("/proc/cpuinfo")) or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "os": parse_os_release(_read("/etc/os-release")),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()).strip() or "unknown",
        "ram_bytes": parse_meminfo(_read("/proc/meminfo")),
        "free_bytes": shutil.disk_usage(root).free,
        "emulated": bool(emulator),
        "emulator": emulator,
        "runtime": {"name": runtime[0], "version": runtime[1]} if runtime else None,
        "store": str(root),
    }


def sensors() -> dict[str, Any]:
    """Readings of this moment; a sensor that the board lacks is absent."""
    cpufreq = "/sys/devices/system/cpu/cpu0/cpufreq/"
    readings = {
        "governor": _read(cpufreq + "scaling_governor") or None,
        "cpu_hz": _scaled(_read(cpufreq + "scaling_cur_freq"), 1000),
        "temperature_c": _scaled(_read("/sys/class/thermal/thermal_zone0/temp"), 0.001),
        "load_1m": _scaled((_read("/proc/loadavg").split() or [""])[0], 1.0),
        "throttled": parse_throttled(_output(["vcgencmd", "get_throttled"])),
    }
    return {name: value for name, value in readings.items() if value is not None}


def parse_os_release(text: str) -> str:
    """`PRETTY_NAME` of /etc/os-release."""
    for line in text.splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip('"')
    return sys.platform


def parse_cpuinfo(text: str) -> str:
    """The processor's name in /proc/cpuinfo: `model name` on x86 and 32-bit Arm, the part number on arm64."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    part = {"0xd03": "Cortex-A53", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76"}.get(found.get("CPU part", ""), "")
    return found.get("model name") or part


def parse_meminfo(text: str) -> int:
    """`MemTotal` of /proc/meminfo in bytes; 0 if it is not there."""
    for line in text.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def parse_throttled(text: str) -> int | None:
    """`throttled=0x50005` of `vcgencmd get_throttled` -> 0x50005; None for anything else."""
    key, _, value = text.strip().partition("=")
    try:
        return int(value, 16) if key == "throttled" else None
    except ValueError:
        return None


def _scaled(text: str, factor: float) -> float | None:
    try:
        return round(float(text) * factor, 3)
    except ValueError:
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_bytes()[:65536].decode("utf-8", "replace").rstrip("\0\n ")
    except OSError:
        return ""


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, timeout=2, check=False).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""
