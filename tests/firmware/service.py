"""What the tests of the firmware's service share: bundles for a device, chunks, single messages."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from mcu import make_mcu_bundle

from edgeq.bundle import Bundle
from edgeq.device.device import Device
from edgeq.protocol import contract
from edgeq.protocol.smp import Message

SLOTS = (0x2000, 0x801000)
"""Where the slots begin in the flash of memory_flash.c."""


def bundle_for(device: Device, folder: Path, name: str = "tiny", **spoilt: Any) -> Bundle:
    facts = device.describe()
    return make_mcu_bundle(folder / name, name=name, target=facts["target"], arch=facts["arch"], **spoilt)


def send(device: Device, bundle: Bundle) -> int:
    """Send a bundle and stage it; the answer is its number."""
    lacking = device.missing([bundle.digest, bundle.manifest["files"]["image.eqi"]["sha256"]])
    for name in ("image.eqi", "manifest.json"):
        data = bundle.path(name).read_bytes()
        digest = bundle.digest if name == "manifest.json" else bundle.manifest["files"][name]["sha256"]
        if digest in lacking:
            device.put(digest, data, 0, lambda _: None)
    return device.stage(bundle.digest, [])


def chunk(data: bytes, offset: int = 0, size: int | None = None, sha: bytes | None = None) -> dict[str, Any]:
    piece = data[offset:] if size is None else data[offset : offset + size]
    return {"sha": sha or hashlib.sha256(data).digest(), "off": offset, "len": len(data), "data": piece}


def put(device: Device, **chunks: Any) -> int:
    return int(device.client.request(contract.BLOB_PUT, chunk(**chunks))["off"])


def raw(device: Device, command: tuple[int, int, int], sequence: int, body: dict[str, Any]) -> dict[str, Any]:
    """One message with a sequence number of the caller's."""
    frames = device.client._open()
    frames.send(Message(*command, sequence, body).encode(), 10)
    while (answer := frames.receive(10)).sequence != sequence:
        pass
    return answer.body
