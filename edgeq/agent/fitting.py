"""Which of a bundle's runtime wheels this very device needs, or why none of them will do.

The same answers as `edgeq.runtimes.resolve` gives on a host, from the same facts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from edgeq.agent.errors import Refused
from edgeq.agent.micro import NAME as MICRO
from edgeq.protocol.status import Status

SYSTEM = "system"
"""The runtime of a bundle that takes what the device has."""


def fitting(manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], str | None]:
    """The wheels to install, entries of the manifest, and the folder that the device's own runtime lies in ("" for
    Python's own packages), None where that is not meant. MISMATCH says why the bundle cannot work here."""
    if manifest["arch"] != facts["arch"]:
        differs = facts.get("kernel_arch") and facts["kernel_arch"] != facts["arch"]
        kernel = f" (its kernel says {facts['kernel_arch']})" if differs else ""
        raise _no(f"the bundle '{manifest['name']}' is for {manifest['arch']}; this device is {facts['arch']}{kernel}")
    wanted = manifest["runtime"]
    name, version = str(wanted["name"]), str(wanted["version"])
    if name == SYSTEM:
        return [], str(wanted.get("path", ""))
    if name == MICRO or (facts["runtime"] or {}) == {"name": name, "version": version}:
        return [], None
    title = f"{name} {version}"
    _check_system(title, name, facts)
    wheels = list(wanted["wheels"])
    if not wheels:
        raise _no(f"{title} cannot run here: the bundle names no wheels of it, and it is not installed")
    return _picked(title, wheels, facts), None


def _check_system(title: str, name: str, facts: Mapping[str, Any]) -> None:
    libc = str(facts["libc"])
    if libc.partition(" ")[0] != "glibc":
        raise _no(f"{title} cannot run here: the C library is {libc}; {name} needs glibc")
    if facts["implementation"] != "cpython":
        raise _no(f"{title} cannot run here: the Python is {facts['implementation']}; {name} needs CPython")


def _picked(title: str, wheels: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of each package the newest wheel that runs with this Python and this C library, in the manifest's order."""
    python, glibc = _two(str(facts["python"])), _two(str(facts["libc"]).partition(" ")[2])
    chosen = []
    for package in dict.fromkeys(str(wheel["name"]) for wheel in wheels):
        own = [wheel for wheel in wheels if wheel["name"] == package]
        tagged = [wheel for wheel in own if wheel["python"] == f"cp{python[0]}{python[1]}"]
        if not tagged:
            have = ", ".join(sorted({f"{wheel['python'][2]}.{wheel['python'][3:]}" for wheel in own}, key=_two))
            reason = f"{package} {own[0]['version']} has wheels for Python {have}; the device has {_dotted(python)}"
            raise _no(f"{title} cannot run here: {reason}")
        running = [wheel for wheel in tagged if _two(str(wheel["glibc"])) <= glibc]
        if not running:
            oldest = _dotted(min(_two(str(wheel["glibc"])) for wheel in tagged))
            reason = f"{package} needs glibc {oldest} or newer; the device has {_dotted(glibc)}"
            raise _no(f"{title} cannot run here: {reason}")
        chosen.append(max(running, key=lambda wheel: (_two(str(wheel["glibc"])), str(wheel["file"]))))
    return chosen


def _two(text: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _no(reason: str) -> Refused:
    return Refused(Status.MISMATCH, reason)
