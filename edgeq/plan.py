"""What a deploy would do: what is sent and what is there already, which checks run, what it would return to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from edgeq.bundle import IMAGE, IMAGE_SIGNATURE, MANIFEST, Bundle
from edgeq.device.device import Device, Progress, Release, silent
from edgeq.errors import ArtifactError, DeviceError, ProtocolError, UsageError
from edgeq.interface import differences
from edgeq.protocol.status import Status
from edgeq.runtimes import Wheel, fetch
from edgeq.runtimes.resolve import SYSTEM, judge, of_facts, place_of
from edgeq.signing.image import sent_image
from edgeq.signing.signable import wire_envelope
from edgeq.transaction.confirm import ConfirmPolicy, describe_checks
from edgeq.transaction.transaction import SPACE_MARGIN, require_interface, require_space

SECTOR_BYTES = 4096
"""In a slot the manifest begins at a sector of its own."""
_Blob = tuple[str, int, Callable[[], bytes]]
"""Name, size in bytes, and what reads it."""


@dataclass(frozen=True)
class Fit:
    """What is settled before a device is changed. `system` is the folder that the device's own runtime lies in, None
    where `wheels`, or what the manifest names, are used; `envelope` holds the manifest's signatures."""

    policy: ConfirmPolicy
    wheels: tuple[Wheel, ...] = ()
    system: str | None = None
    envelope: bytes | None = None


@dataclass(frozen=True)
class Piece:
    """One blob; `offset` is where sending begins, None where the device has all of it. `read` gets its bytes."""

    name: str
    digest: str
    size_bytes: int
    offset: int | None
    read: Callable[[], bytes]

    @property
    def sent_bytes(self) -> int:
        """What is left to send."""
        return 0 if self.offset is None else self.size_bytes - self.offset


@dataclass(frozen=True)
class Cargo:
    """Every blob of a deploy, in the order in which they are sent, and the space that they need."""

    pieces: tuple[Piece, ...]
    need_bytes: int
    free_bytes: int

    @property
    def sent_bytes(self) -> int:
        """What is left to send."""
        return sum(piece.sent_bytes for piece in self.pieces)


@dataclass(frozen=True)
class Plan:
    """What a deploy would do to a device as it is now. `serving` is what it would return to; `same` where that is the
    bundle already. `changes` of the interface are None where they could not be found out."""

    bundle: Bundle
    address: str
    fit: Fit
    cargo: Cargo
    serving: Release | None
    same: bool
    changes: tuple[str, ...] | None
    checks: tuple[str, ...]


def make_plan(
    bundle: Bundle,
    device: Device,
    progress: Progress = silent,
    *,
    allow_interface_change: bool = False,
    runtime: str = "",
) -> Plan:
    """Ask everything and change nothing; what a deploy would be refused for before anything is sent is refused here."""
    fit = preflight(bundle, device, runtime)
    installed = device.installed()
    serving, changes = installed.serving, None
    if serving:
        changes = interface_changes(bundle, device, progress)
        require_interface(device.address, changes or (), allow_interface_change)
    cargo = load(bundle, fit.wheels, device, progress)
    same = serving is not None and serving.digest == bundle.digest and not runtime
    if not same:
        require_space(cargo.need_bytes, cargo.free_bytes, device.address)
    checks = describe_checks(bundle.manifest["golden"], fit.policy, fit.envelope, serving)
    return Plan(bundle, device.address, fit, cargo, serving, same, changes, tuple(checks))


def policy_of(manifest: Mapping[str, Any]) -> ConfirmPolicy:
    """What the manifest of a bundle asks for before a device confirms it."""
    try:
        return ConfirmPolicy.from_json(manifest.get("confirm") or {})
    except (ValueError, AttributeError) as error:
        raise ArtifactError(
            f"The bundle's confirm policy cannot be used: {error}.", "Build it again, or upgrade edgeq."
        ) from error


def preflight(bundle: Bundle, device: Device, runtime: str = "") -> Fit:
    """Refuse early what cannot work.

    `runtime` is `system:/path` where the device's own shall be used, in a folder of Python packages there, or `system`
    for that of its Python; what the manifest says where it is empty. The device itself looks for such a runtime,
    before anything switches.
    """
    system, policy = _system(bundle, runtime), policy_of(bundle.manifest)
    facts, wanted = device.describe(), bundle.manifest["runtime"]
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
    envelope = _envelope(bundle, device)
    if system is not None:
        return Fit(policy, (), system, envelope)
    verdict = judge(wanted["name"], wanted["version"], situation, wanted["wheels"])
    if not verdict.works:
        raise DeviceError(
            f"{device.address} cannot run {verdict.runtime}: {verdict.reason}.", verdict.hint, Status.MISMATCH
        )
    return Fit(policy, verdict.wheels, None, envelope)


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


def _envelope(bundle: Bundle, device: Device) -> bytes | None:
    """The signatures of the manifest as they go to a device; those of a microcontroller's image go inside of it."""
    envelope = None if _for_slots(bundle) else bundle.envelope
    signed = bundle.path(IMAGE_SIGNATURE).exists() if _for_slots(bundle) else envelope is not None
    if device.describe().get("signed") and not signed:
        raise DeviceError(
            f"{device.address} takes signed bundles only, and '{bundle.folder}' has no signature.",
            "'edgeq sign' signs it with a key that the device knows.",
            Status.SIGNATURE,
        )
    return None if envelope is None else wire_envelope(envelope)


def _for_slots(bundle: Bundle) -> bool:
    """Whether it is for a device that is sent some members only, a microcontroller."""
    return "device_files" in bundle.manifest


def interface_changes(bundle: Bundle, device: Device, progress: Progress) -> tuple[str, ...] | None:
    """What applications would meet that rely on what serves; None where that is too damaged to compare with."""
    try:
        before = device.interface()
    except (ArtifactError, ProtocolError) as error:
        progress(f"the interface of what serves cannot be compared: {error.message}")
        return None
    return tuple(differences(before, bundle.interface()))


def load(bundle: Bundle, wheels: Sequence[Wheel], device: Device, progress: Progress) -> Cargo:
    """Every blob that the release is made of, and how much of each the device has. Wheels are fetched when opened."""
    blobs = {
        **_members(bundle),
        **{wheel.sha256: (wheel.file, wheel.size, _wheel(wheel, progress)) for wheel in wheels},
    }
    missing = device.missing(list(blobs))
    pieces = {
        digest: Piece(name, digest, size, missing.get(digest), read) for digest, (name, size, read) in blobs.items()
    }
    slots = _for_slots(bundle)
    margin = 1 if slots else SPACE_MARGIN
    # The manifest's own bytes are not counted: it is small, and has no size of its own in the bundle.
    need = margin * sum(piece.sent_bytes for piece in pieces.values() if piece.digest != bundle.digest)
    if slots and missing:
        need += SECTOR_BYTES
    # What a device lacks comes first, in the order in which it asks for it.
    order = [*missing, *(digest for digest in pieces if digest not in missing)]
    return Cargo(tuple(pieces[digest] for digest in order), need, int(device.describe().get("free_bytes", 0)))


def _members(bundle: Bundle) -> dict[str, _Blob]:
    """What the device gets of the bundle, by digest. A signed image is another blob than the one that was built."""
    found: dict[str, _Blob] = {}
    signed = sent_image(bundle) if _for_slots(bundle) else None
    for name, (digest, size) in bundle.device_files.items():
        if name == IMAGE and signed is not None:
            found[hashlib.sha256(signed).hexdigest()] = (name, len(signed), partial(bytes, signed))
        else:
            found[digest] = (name, size, bundle.path(name).read_bytes)
    manifest = bundle.path(MANIFEST)
    return {**found, bundle.digest: (MANIFEST, manifest.stat().st_size, manifest.read_bytes)}


def _wheel(wheel: Wheel, progress: Progress) -> Callable[[], bytes]:
    return lambda: fetch(wheel, progress=progress).read_bytes()
