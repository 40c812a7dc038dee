"""The verb `doctor` for a device: is it reached, what is it, which runtime will work there and why, what serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.device.contact import Opener, contact
from edgeq.device.device import Device, Progress, silent
from edgeq.device.open import open_device
from edgeq.doctor import MISSING, NOTE, OK, Check
from edgeq.project import DeviceEntry
from edgeq.runtimes import locked
from edgeq.runtimes.resolve import SYSTEM, Situation, Verdict, candidates, of_facts, place_of, resolve
from edgeq.target import TargetProfile, all_targets, load_target
from edgeq.units import format_bytes

LEAST_FREE_BYTES = 200_000_000
"""What a runtime and a few releases take, unpacked: less is worth a word."""


@dataclass(frozen=True)
class Diagnosis:
    """`verdicts` are in order of preference: the profile's runtime, its alternatives; where no profile is known,
    everything that edgeq pushes."""

    facts: Mapping[str, Any]
    checks: tuple[Check, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def works(self) -> bool:
        """Whether nothing is missing and some runtime works there."""
        return any(verdict.works for verdict in self.verdicts) and all(item.state != MISSING for item in self.checks)


def diagnose_device(entry: DeviceEntry, progress: Progress = silent, opener: Opener = open_device) -> Diagnosis:
    """Open the device and ask it; the error of a device that cannot be opened says what to do and is not caught."""
    with contact(entry.address, progress, opener) as device:
        facts = device.describe()
        situation, target = of_facts(facts), _target(entry, facts)
        checks = [*_identity(entry, facts), _space(facts), *_findings(facts), _profile(target, situation)]
        checks.append(_serving(device))
    verdicts = resolve(situation, _wanted(target, situation))
    if entry.runtime:
        place = place_of(entry.runtime)
        says = f"what lies in {place}; it is looked at when something is deployed" if place else "that of its Python"
        checks.append(Check("runtime", NOTE, f"edgeq.toml says {entry.runtime}: {says}"))
    return Diagnosis(facts, tuple(checks), tuple(verdicts))


def _target(entry: DeviceEntry, facts: Mapping[str, Any]) -> TargetProfile | None:
    """The profile that edgeq.toml names, that the device names, or that its emulator stands in for."""
    if entry.target or facts.get("target"):
        return load_target(entry.target or str(facts["target"]))
    scheme, _, rest = entry.address.partition(":")
    emulator = rest.partition("#")[0] if scheme == "qemu" else ""
    fitting = [profile for profile in all_targets() if emulator and profile.emulator == emulator]
    # A copy that somebody made of a profile names the same emulator.
    return next(iter(sorted(fitting, key=lambda profile: profile.name != emulator)), None)


def _wanted(target: TargetProfile | None, situation: Situation) -> list[tuple[str, str]]:
    if target:
        return candidates(target)
    newest = list(dict(sorted(locked())).items())
    own = [situation.runtime] if situation.runtime and situation.runtime not in newest else []
    return [*own, *newest, *([] if situation.kind == "mcu" else [(SYSTEM, "")])]


def _identity(entry: DeviceEntry, facts: Mapping[str, Any]) -> list[Check]:
    scheme = entry.address.partition(":")[0]
    checks = [Check("reached", OK, f"{facts.get('board', '')} at {entry.address}")]
    if scheme == "ssh":
        checks.append(Check("host key", OK, "it is the one that was trusted"))
    agent = f"edgeq {facts['agent']}" if facts.get("agent") else "firmware"
    checks.append(Check("agent", OK, f"{agent}, protocol {facts.get('protocol')}"))
    kernel = facts.get("kernel_arch")
    differs = f"; its kernel says {kernel}" if kernel and kernel != facts.get("arch") else ""
    checks.append(Check("arch", OK, f"{facts.get('arch')}{differs}"))
    for key in ("os", "python", "libc", "numpy"):
        if key in facts:
            checks.append(Check(key, OK if facts[key] else NOTE, str(facts[key]) or "none"))
    if facts.get("emulated"):
        checks.append(Check("emulated", NOTE, f"{facts.get('emulator') or 'yes'}: its timing is not the hardware's"))
    return checks


def _space(facts: Mapping[str, Any]) -> Check:
    free = int(facts.get("free_bytes") or 0)
    small = facts.get("kind") != "mcu" and free < LEAST_FREE_BYTES
    fix = "Delete something on the device; a runtime with numpy takes about 120 MB." if small else ""
    return Check("free space", MISSING if small else OK, format_bytes(free), fix)


def _findings(facts: Mapping[str, Any]) -> list[Check]:
    """What the agent itself says of the place of its store and of its service."""
    found = []
    if facts.get("service"):
        found.append(Check("service", OK, f"the agent is installed ({facts['service']})"))
    for item in facts.get("findings") or ():
        name = "store" if str(item.get("code", "")).startswith("store") else "service"
        state = MISSING if item.get("severity") == "error" else NOTE
        found.append(Check(name, state, str(item.get("message", "")), str(item.get("hint", ""))))
    return found


def _profile(target: TargetProfile | None, situation: Situation) -> Check:
    if target is None:
        return Check("profile", NOTE, "none is known", "Say it in edgeq.toml: target = 'rpi4' (edgeq targets).")
    if target.cpu.arch == situation.arch:
        return Check("profile", OK, target.name)
    fitting = [item.name for item in all_targets() if item.cpu.arch == situation.arch and item.kind == situation.kind]
    says = f"{target.name} is for {target.cpu.arch}, and the device is {situation.arch}"
    return Check("profile", MISSING, says, f"Profiles for {situation.arch}: {', '.join(fitting) or 'none'}.")


def _serving(device: Device) -> Check:
    serving = next((release for release in device.releases() if release.serving), None)
    if serving is None:
        return Check("serves", NOTE, "nothing is deployed", "edgeq deploy")
    return Check("serves", OK, f"{serving.name}, release {serving.n} ({serving.digest[:12]}), {serving.state}")
