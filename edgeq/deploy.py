"""The verb `deploy`: a bundle becomes the release that serves on a device, or everything stays as it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.bundle import Bundle
from edgeq.device.device import Device, Progress, silent
from edgeq.errors import ArtifactError, DeviceError, ProtocolError, UsageError
from edgeq.interface import differences
from edgeq.protocol.status import Status
from edgeq.resolve import SYSTEM, judge, of_facts, place_of
from edgeq.runtimes import Wheel, fetch
from edgeq.units import format_bytes

SPACE_MARGIN = 2
"""Free space a deploy asks for, as a multiple of what it sends: the blobs, and what they unpack to. A device that is
sent some members only, a microcontroller, unpacks nothing."""
SECTOR_BYTES = 4096
"""In a slot the manifest begins at a sector of its own."""


@dataclass(frozen=True)
class Deployed:
    """What serves after a deploy. `changed` is false where it served already; `golden` is the device's self-test."""

    n: int
    digest: str
    previous: int | None
    changed: bool
    sent_bytes: int
    golden: dict[str, Any]


def deploy(
    bundle: Bundle,
    device: Device,
    progress: Progress = silent,
    *,
    allow_interface_change: bool = False,
    runtime: str = "",
) -> Deployed:
    """Preflight, send what is missing, stage, self-test, activate; at any failure the previous release still serves.

    `DeviceError` with status INTERFACE where applications would meet another interface than that of the release that
    serves, unless that is allowed. `runtime` is `system:/path` where the device's own shall be used, in a folder of
    Python packages there, or `system` for that of its Python; what the manifest says where it is empty.
    """
    serving = next((release for release in device.releases() if release.serving), None)
    same = serving is not None and serving.digest == bundle.digest
    if serving and same and not runtime and _is_sound(device, progress):
        return Deployed(serving.n, bundle.digest, None, False, device.client.sent_bytes, {})
    system = _system(bundle, runtime)
    wheels = preflight(bundle, device, system)
    if serving:
        _check_interface(bundle, device, progress, allow_interface_change)
    push(bundle, wheels, device, progress)
    digests = [wheel.sha256 for wheel in wheels]
    n = device.stage(bundle.digest, digests, lambda note: progress(f"staging: {note}"), system)
    device.selftest(n, lambda note: progress(f"self-test: {note}"))
    if serving and same and n == serving.n:
        return Deployed(n, bundle.digest, None, False, device.client.sent_bytes, {})
    golden = device.activate(n, lambda note: progress(f"activating: {note}"))
    return Deployed(n, bundle.digest, serving.n if serving else None, True, device.client.sent_bytes, golden)


def _is_sound(device: Device, progress: Progress) -> bool:
    """Whether what serves is still what was installed; if not, it is deployed anew."""
    try:
        device.selftest(progress=lambda note: progress(f"already there: {note}"))
    except DeviceError as error:
        if error.status != Status.DIGEST:
            raise
        progress(error.message)
        return False
    return True


def _check_interface(bundle: Bundle, device: Device, progress: Progress, allowed: bool) -> None:
    """Compare with what serves: applications there rely on it."""
    try:
        before = device.interface()
    except (ArtifactError, ProtocolError) as error:
        progress(f"the interface of what serves cannot be compared: {error.message}")
        return
    changes = differences(before, bundle.interface())
    if changes and not allowed:
        raise DeviceError(
            f"The interface differs from that of the release that serves on {device.address}: {_first(changes)}.",
            "Change the applications there first, then deploy with --allow-interface-change.",
            Status.INTERFACE,
        )
    for change in changes:
        progress(f"interface: {change}")


def _first(changes: list[str], most: int = 3) -> str:
    more = f"; and {len(changes) - most} more changes" if len(changes) > most else ""
    return "; ".join(changes[:most]) + more


def _system(bundle: Bundle, runtime: str) -> str | None:
    """The folder that the runtime lies in on the device; None where wheels or what the manifest names are meant."""
    if runtime and place_of(runtime) is None:
        raise UsageError(
            f"The runtime '{runtime}' of a device is not one that edgeq knows.",
            "Write runtime = 'system:/path' (a folder of Python packages on the device), or leave it out.",
        )
    if runtime:
        return place_of(runtime)
    said = bundle.manifest["runtime"]
    return str(said.get("path", "")) if said["name"] == SYSTEM else None


def preflight(bundle: Bundle, device: Device, system: str | None = None) -> list[Wheel]:
    """Refuse early what cannot work; the answer is the runtime wheels that this device needs (none if it has them).

    With `system` the device itself looks for the runtime, before anything switches.
    """
    facts, runtime = device.describe(), bundle.manifest["runtime"]
    situation = of_facts(facts)
    if situation.arch != bundle.manifest["arch"]:
        differs = situation.kernel_arch and situation.kernel_arch != situation.arch
        kernel = f" (its kernel says {situation.kernel_arch})" if differs else ""
        raise DeviceError(
            f"The bundle '{bundle.name}' is for {bundle.manifest['arch']}; "
            f"{device.address} is {situation.arch}{kernel}.",
            "Build for this device: 'edgeq targets' lists the profiles.",
            Status.MISMATCH,
        )
    if system is not None:
        return []
    verdict = judge(runtime["name"], runtime["version"], situation, runtime["wheels"])
    if not verdict.works:
        raise DeviceError(
            f"{verdict.runtime} cannot run on {device.address}: {verdict.reason}.", verdict.hint, Status.MISMATCH
        )
    return list(verdict.wheels)


def push(bundle: Bundle, wheels: list[Wheel], device: Device, progress: Progress) -> None:
    """Send the blobs that the device lacks, each resumed where an earlier try ended."""
    sizes = dict(bundle.device_files.values()) | {wheel.sha256: wheel.size for wheel in wheels}
    sources: dict[str, Callable[[], Path]] = {
        **{digest: _file(bundle.folder / name) for name, (digest, _) in bundle.device_files.items()},
        bundle.digest: _file(bundle.folder / "manifest.json"),
        **{wheel.sha256: _wheel(wheel, progress) for wheel in wheels},
    }
    missing = device.missing(list(sources))
    slots = "device_files" in bundle.manifest
    margin = 1 if slots else SPACE_MARGIN
    need = (SECTOR_BYTES if slots and missing else 0) + margin * sum(
        sizes.get(digest, 0) - offset for digest, offset in missing.items()
    )
    free = int(device.describe().get("free_bytes", 0))
    if need > free:
        raise DeviceError(
            f"The deploy needs {format_bytes(need)} on {device.address}; {format_bytes(free)} are free.",
            "Free some space on the device, then run the command again.",
            Status.NO_SPACE,
        )
    for digest, offset in missing.items():
        path = sources[digest]()
        device.put(digest, path.read_bytes(), offset, _Meter(path.name, path.stat().st_size, progress))


class _Meter:
    """One line at the start of a larger file, and one every two seconds."""

    def __init__(self, name: str, size: int, progress: Progress) -> None:
        self._name, self._size, self._progress = name, size, progress
        self._next = time.monotonic() + 2
        if size > 1 << 20:
            progress(f"sending {name} ({format_bytes(size)})")

    def __call__(self, acknowledged: int) -> None:
        if time.monotonic() > self._next:
            self._next += 2
            self._progress(f"sending {self._name}: {100 * acknowledged // self._size} %")


def _file(path: Path) -> Callable[[], Path]:
    return lambda: path


def _wheel(wheel: Wheel, progress: Progress) -> Callable[[], Path]:
    return lambda: fetch(wheel, progress=progress)
