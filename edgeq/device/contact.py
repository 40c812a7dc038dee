"""A device opened for one command, and remembered: when it was seen, and what serves on it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgeq import inventory
from edgeq.device.device import Device, Progress, silent
from edgeq.device.open import open_device
from edgeq.errors import DeviceError, EdgeqError

Opener = Callable[[str, Progress], Device]


@contextmanager
def contact(address: str, progress: Progress = silent, opener: Opener = open_device) -> Iterator[Device]:
    """The open device; closed at the end. What serves is asked for once more, unless the link broke or was given up."""
    with opener(address, progress) as device:
        inventory.seen(address)
        try:
            yield device
        except DeviceError:
            _remember(device, address)
            raise
        _remember(device, address)


def _remember(device: Device, address: str) -> None:
    """Where the device cannot be asked any more, that it was seen is all there is to say."""
    try:
        serving = next((release for release in device.releases() if release.serving), None)
    except EdgeqError:
        return
    inventory.seen(
        address,
        digest=serving.digest if serving else "",
        name=serving.name if serving else "",
        state=serving.state if serving else inventory.EMPTY,
    )
