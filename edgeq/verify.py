"""The verb `verify`: what is installed on a device is hashed again, and what serves is tested again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.device.device import Device, Installed, Progress, Release, silent
from edgeq.errors import DeviceError
from edgeq.protocol.status import Status

_DAMAGED = (Status.DIGEST, Status.SIGNATURE, Status.SELFTEST, Status.RUNTIME, Status.TIMEOUT)
"""What a self-test that fails so says of the release itself."""


@dataclass(frozen=True)
class Checked:
    """One release; `sound` is None where the device cannot look at releases that do not serve. `needed` ones serve, or
    are what the device would go back to. `signed` has the ids of the keys that signed it, none where the device has no
    keys to judge its signatures by; it is None without signatures, and where `why` says what a sound one lacks."""

    release: Release
    sound: bool | None
    why: str = ""
    needed: bool = False
    signed: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Verified:
    """Every release of a device; `golden` is the self-test of the one that serves, empty where it failed."""

    releases: tuple[Checked, ...]
    golden: dict[str, Any]

    @property
    def damaged(self) -> tuple[Checked, ...]:
        """The damaged ones among those that are needed."""
        return tuple(item for item in self.releases if item.needed and item.sound is False)


def verify(device: Device, progress: Progress = silent) -> Verified:
    """Ask the device to look at all of it; where it does not know how, at what serves."""
    installed = device.installed()
    if not installed.releases:
        return Verified((), {})
    try:
        answer = device.verify(progress)
    except DeviceError as error:
        if error.status != Status.UNSUPPORTED:
            raise
        return _serving_only(device, installed, progress)
    found = {int(item["n"]): item for item in answer.pop("releases")}
    after = device.installed()
    return Verified(
        tuple(_checked(release, found.get(release.n, {}), _needed(after, release)) for release in after.releases),
        answer,
    )


def _checked(release: Release, found: Mapping[str, Any], needed: bool) -> Checked:
    """What the device found of a release; nothing of one that came meanwhile."""
    signed = found.get("signed")
    return Checked(
        release,
        bool(found["sound"]) if found else None,
        str(found.get("why") or ""),
        needed,
        None if signed is None else tuple(map(str, signed)),
    )


def _serving_only(device: Device, installed: Installed, progress: Progress) -> Verified:
    """By hand, for agents and firmware that do not know the request."""
    serving, sound, why, golden = installed.serving, True, "", dict[str, Any]()
    if serving:
        try:
            golden = device.selftest(serving.n, progress)
        except DeviceError as error:
            if error.status not in _DAMAGED:
                raise
            sound, why = False, error.message
    return Verified(
        tuple(
            Checked(release, sound if release.serving else None, why if release.serving else "", release.serving)
            for release in installed.releases
        ),
        golden,
    )


def _needed(installed: Installed, release: Release) -> bool:
    """A trial goes back to `current`, anything else to `previous`."""
    return release.n in (installed.current, installed.trial, installed.previous)
