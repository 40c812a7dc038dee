"""The verb `fetch`: everything that a target needs is put into EDGEQ_HOME, so that EDGEQ_OFFLINE=1 works afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq import emulate
from edgeq.building.assemble import runtime_wheels
from edgeq.device.agentfile import agent_path
from edgeq.emulate.boards import boards
from edgeq.emulate.userlands import userlands
from edgeq.errors import UsageError
from edgeq.firmware import build_firmware
from edgeq.micro.library import find_library
from edgeq.micro.linux import linux_library
from edgeq.quantize.host import MICRO
from edgeq.runtimes import Wheel, fetch, pick
from edgeq.target import TargetProfile

Progress = Callable[[str], None]
_PYTHON = re.compile(r"3\.\d+")


@dataclass(frozen=True)
class Item:
    """Something that is there now. `path` is None where it is many files; `bytes` is 0 then."""

    target: str
    what: str
    path: Path | None
    bytes: int
    sha256: str = ""


def fetch_target(
    target: TargetProfile,
    pythons: Sequence[str] = (),
    *,
    emulator: bool = False,
    progress: Progress = lambda _: None,
) -> list[Item]:
    """The wheels for these Pythons (that of the profile's system unless given) and its libc, each held to its digest;
    the agent; with `emulator` what its emulator starts from.

    `DeviceError` where no wheel fits, `UsageError` where something cannot be had. A second run fetches nothing.
    """
    if emulator and not target.emulator:
        known = ", ".join((*userlands(), *boards()))
        raise UsageError(f"There is no emulator of {target.name}.", f"There are emulators of {known}.")
    items = [_file(target, f"{wheel.name} {wheel.version} for {wheel.python}", fetch(wheel, progress=progress), wheel)
             for wheel in wheels_of(target, pythons)]  # fmt: skip
    if target.kind == "linux":
        items.append(_file(target, "agent", agent_path()))
    if target.runtime.kernels == MICRO:
        progress("the microcontroller runtime for this machine")
        items.append(_file(target, "runtime for this machine", find_library()))
        if target.kind == "linux":
            items.append(_file(target, f"runtime for {target.cpu.arch}", linux_library(target.cpu.arch)))
    if emulator:
        items.append(_emulator(target, progress))
    return items


def wheels_of(target: TargetProfile, pythons: Sequence[str]) -> list[Wheel]:
    """What a device with these Pythons would be sent; nothing where the runtime does not come as wheels."""
    for python in pythons:
        if not _PYTHON.fullmatch(python):
            raise UsageError(f"'{python}' is not a version of Python.", "For example: --python 3.11")
    entries = runtime_wheels(target)
    if not entries or target.os is None:
        return []
    wanted = pythons or (target.os.python,)
    return [wheel for python in wanted for wheel in pick(entries, python=python, glibc=target.os.libc_version)]


def _emulator(target: TargetProfile, progress: Progress) -> Item:
    progress(f"the emulator of {target.name}")
    if target.emulator in boards():
        elf, _ = build_firmware(target, progress=progress)
        return _file(target, f"firmware for qemu:{target.emulator}", elf)
    emulate.fetch(target.emulator, progress=progress)
    return Item(target.name, f"userland of qemu:{target.emulator}", None, 0)


def _file(target: TargetProfile, what: str, path: Path, wheel: Wheel | None = None) -> Item:
    return Item(target.name, what, path, path.stat().st_size, wheel.sha256 if wheel else "")
