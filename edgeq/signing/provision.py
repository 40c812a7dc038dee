"""Giving a device the keys that it shall trust from then on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeq.device.device import Device
from edgeq.errors import ArtifactError, UsageError
from edgeq.protocol import contract
from edgeq.signing.trusting import needs, steps


def provision(device: Device, path: Path, progress: Callable[[str], None]) -> tuple[int, int]:
    """Send the trust document, and the versions before it that the device lacks; answers (version before, now).

    The same again converges. `ArtifactError` where signatures are missing, before anything is sent.
    """
    missing = [need for need in needs(path) if not need.met]
    if missing:
        need = missing[0]
        raise ArtifactError(
            f"'{path}' has {need.have} of {need.threshold} signatures that the role {need.role} of version "
            f"{need.version} must give.",
            f"edgeq sign {path} --key KEY",
        )
    facts = device.describe()
    if facts.get("kind") == "mcu":
        raise UsageError(
            f"{device.address} is a microcontroller; its keys are part of its firmware.",
            f"edgeq firmware build --trust {path}",
        )
    before = now = int(facts.get("trust_version") or 0)
    for version, subject in steps(path, before):
        progress(f"sending trust version {version}")
        body = {"document": subject.payload, "envelope": subject.detached}
        now = int(device.client.request(contract.TRUST, body)["version"])
    return before, now
