"""Which runtime will work on a device, and why not: one verdict for each candidate, in order.

A situation is what a running device says of itself, or what a target profile says of its system. Runtimes come as
wheels that the host pushes (`edgeq.runtimes`), are there already, or belong to an application or a firmware.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.errors import DeviceError
from edgeq.runtimes import WHEELED, Wheel, locked, pick
from edgeq.target import TargetProfile
from edgeq.units import format_bytes

PRESENT, PUSH, OWN, ASK, NO = "present", "push", "own", "ask", "no"
"""It is there; these wheels bring it; firmware or application hold it; only the device knows; it cannot work."""
SYSTEM = "system"
MICRO = "edgeq-micro"
PREFIX = "system:"
MICRO_ARCHS = ("aarch64", "armv6l", "armv7l", "x86_64")
"""What our own runtime is compiled for as a library (`edgeq.micro.linux`)."""
_MOST_NUMPY = {"tflite-runtime": 1}
"""The newest major version of numpy that a runtime works with, where that is not the newest there is."""


@dataclass(frozen=True)
class Situation:
    """What decides. `arch` is that of the programs, `kernel_arch` what the kernel says; versions are as written, empty
    where there is none. `numpy` is None where nobody looked. `runtime` is (name, version) of what is there already."""

    kind: str
    arch: str
    libc: str
    libc_version: str
    python: str
    implementation: str = "cpython"
    kernel_arch: str = ""
    numpy: str | None = None
    runtime: tuple[str, str] | None = None


@dataclass(frozen=True)
class Verdict:
    """`runtime` is its name and version; `wheels` are what has to be pushed."""

    runtime: str
    answer: str
    reason: str
    hint: str = ""
    wheels: tuple[Wheel, ...] = ()

    @property
    def works(self) -> bool:
        """Whether nothing speaks against it."""
        return self.answer != NO


def of_facts(facts: Mapping[str, Any]) -> Situation:
    """The situation of a device, from the answer to `describe`."""
    libc, _, libc_version = str(facts.get("libc") or "").partition(" ")
    runtime = facts.get("runtime") or {}
    return Situation(
        kind=str(facts.get("kind", "linux")),
        arch=str(facts.get("arch", "")),
        libc=libc,
        libc_version=libc_version,
        python=str(facts.get("python") or ""),
        implementation=str(facts.get("implementation", "cpython")),
        kernel_arch=str(facts.get("kernel_arch", "")),
        numpy=facts.get("numpy"),
        runtime=(str(runtime["name"]), str(runtime["version"])) if runtime else None,
    )


def of_target(target: TargetProfile) -> Situation:
    """The situation that a profile promises."""
    system = target.os
    return Situation(
        kind=target.kind,
        arch=target.cpu.arch,
        libc=system.libc if system else "",
        libc_version=system.libc_version if system else "",
        python=system.python if system else "",
    )


def candidates(target: TargetProfile) -> list[tuple[str, str]]:
    """(name, version) of the profile's runtime and its alternatives, in order; the newest version that edgeq pushes."""
    known = dict(sorted(locked()))
    others = [(name, known.get(name, "")) for name in target.runtime.alternatives]
    return [(target.runtime.name, target.runtime.version), *others]


def resolve(situation: Situation, wanted: Sequence[tuple[str, str]]) -> list[Verdict]:
    """A verdict for each of `wanted`, with the wheels of the lock."""
    lock = locked()
    wheels = {pair: [vars(wheel) for wheel in lock.get(pair, ()) if wheel.arch == situation.arch] for pair in wanted}
    return [judge(name, version, situation, wheels[name, version]) for name, version in wanted]


def judge(name: str, version: str, situation: Situation, wheels: Sequence[Mapping[str, Any]]) -> Verdict:
    """The verdict on one runtime; `wheels` are those for the situation's architecture (entries of a manifest)."""
    title = f"{name} {version}".strip()
    if situation.runtime == (name, version):
        return Verdict(title, PRESENT, "it is installed there")
    if name == SYSTEM:
        return _system(situation)
    if situation.kind != "linux" and name not in WHEELED:
        holder = "firmware" if situation.kind == "mcu" else "application"
        return Verdict(title, OWN, f"the {holder} holds it; nothing is pushed")
    if name == MICRO and situation.arch in MICRO_ARCHS:
        return Verdict(title, OWN, "the bundle holds it, a library that needs neither numpy nor a certain C library")
    if name not in WHEELED:
        reason = f"edgeq has no {name} for {situation.arch or 'an unknown architecture'}"
        return Verdict(title, NO, reason, "Use what the device has: runtime = 'system:/path' (docs/runtimes.md).")
    return _wheeled(title, name, situation, wheels)


def place_of(runtime: str) -> str | None:
    """The folder in `system:/path`, "" in `system` (Python's own packages); None for anything else."""
    if runtime == SYSTEM:
        return ""
    return runtime.removeprefix(PREFIX) if runtime.startswith(PREFIX) else None


def _system(situation: Situation) -> Verdict:
    if situation.runtime:
        return Verdict(SYSTEM, PRESENT, f"{' '.join(situation.runtime)} is installed there")
    if situation.numpy is None:
        return Verdict(SYSTEM, ASK, "only the device knows what it has", "'edgeq doctor DEVICE' asks it.")
    reason = "its Python has neither ai_edge_litert nor tflite_runtime"
    return Verdict(SYSTEM, NO, reason, "Say where they are: runtime = 'system:/path' (docs/runtimes.md).")


def _wheeled(title: str, name: str, situation: Situation, wheels: Sequence[Mapping[str, Any]]) -> Verdict:
    """Libc, interpreter and architecture first: they say more than a list of wheels that do not fit."""
    own = f"Install {title} on the device yourself, or say runtime = 'system:/path' (docs/runtimes.md)."
    if situation.libc != "glibc":
        libc = f"{situation.libc} {situation.libc_version}".strip() or "unknown"
        return Verdict(title, NO, f"the C library is {libc}; {name} needs glibc", own)
    if situation.implementation != "cpython":
        return Verdict(title, NO, f"the Python is {situation.implementation}; {name} needs CPython", own)
    if not any(_is_of(wheel, name) for wheel in wheels):
        return Verdict(title, NO, _no_wheel(title, situation), own)
    try:
        chosen = pick(wheels, python=situation.python, glibc=situation.libc_version)
    except DeviceError as error:
        return Verdict(title, NO, error.message.rstrip("."), error.hint)
    size = format_bytes(sum(wheel.size for wheel in chosen))
    reason = f"{', '.join(f'{wheel.name} {wheel.version}' for wheel in chosen)} for {chosen[0].python} ({size})"
    if any(wheel.name == "numpy" for wheel in chosen):
        return Verdict(title, PUSH, reason, wheels=tuple(chosen))
    return _with_system_numpy(title, name, situation, reason, tuple(chosen))


def _with_system_numpy(title: str, name: str, situation: Situation, reason: str, wheels: tuple[Wheel, ...]) -> Verdict:
    """No package index has a numpy for it, so the device's own must do."""
    most = _MOST_NUMPY.get(name)
    hint = "sudo apt install python3-numpy on the device"
    if situation.numpy is None:
        return Verdict(title, PUSH, f"{reason}, beside the system's numpy", hint, wheels)
    if not situation.numpy:
        return Verdict(title, NO, f"it needs the system's numpy, and there is none for {situation.arch} here", hint)
    major = re.match(r"\d+", situation.numpy)
    if most and major and int(major[0]) > most:
        reason = f"it needs a numpy below {most + 1}, and the system's is {situation.numpy}"
        return Verdict(title, NO, reason, "Use a system whose python3-numpy is older, such as Debian 12's.")
    return Verdict(title, PUSH, f"{reason}, beside the system's numpy {situation.numpy}", "", wheels)


def _no_wheel(title: str, situation: Situation) -> str:
    """A 32-bit system under a 64-bit kernel is the usual surprise: `uname -m` says aarch64 there."""
    reason = f"there is no wheel of {title} for {situation.arch}"
    if situation.kernel_arch and situation.kernel_arch != situation.arch:
        reason += f", which its programs are (the kernel is {situation.kernel_arch})"
    return reason


def _is_of(wheel: Mapping[str, Any], name: str) -> bool:
    return bool(wheel.get("name") == name)
