"""What serves on a device, and its bundle on this machine."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

from edgeq.bundle import IMAGE, Bundle, read_bundle
from edgeq.device.device import Device, Release
from edgeq.errors import DeviceError, EdgeqError, UsageError
from edgeq.protocol.status import Status


def serving(device: Device) -> Release:
    """What serves; `DeviceError` where nothing does."""
    release = device.installed().serving
    if release is None:
        raise DeviceError(f"No release serves on {device.address}.", "Deploy one first.", Status.STATE)
    return release


def find_bundle(release: Release, folder: Path | None, among: Sequence[Path] = ()) -> Bundle | None:
    """The bundle of a release: that in `folder`, a `UsageError` where it is another one, or the one of `among`."""
    if folder is not None:
        bundle = read_bundle(folder)
        if not is_of(bundle, release):
            raise UsageError(f"{release} is not the bundle '{folder}'.", "Give the bundle that was deployed.")
        return bundle
    for path in among:
        with contextlib.suppress(EdgeqError):
            if is_of(bundle := read_bundle(path), release):
                return bundle
    return None


def is_of(bundle: Bundle, release: Release) -> bool:
    """A release that came without a manifest has the digest of its image."""
    image = bundle.path(IMAGE)
    own = hashlib.sha256(image.read_bytes()).hexdigest() if image.is_file() else ""
    return release.digest in (bundle.digest, own)
