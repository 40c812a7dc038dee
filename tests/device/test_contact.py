"""Every contact is remembered: after success and after a refusal with what serves, after a broken link as seen only."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundles import make_bundle
from inmemory import connect

from edgeq import inventory
from edgeq.agent.service import Service
from edgeq.deploy import deploy
from edgeq.device.contact import contact
from edgeq.device.device import Device, Progress
from edgeq.errors import DeviceError, LinkError

ADDRESS = "local:here"


def test_what_serves_is_remembered(service: Service, tmp_path: Path) -> None:
    def opener(address: str, _progress: Progress) -> Device:
        return connect(service, address)

    with contact(ADDRESS, opener=opener):
        assert (met := inventory.known(ADDRESS)) and met.state == ""
    assert (met := inventory.known(ADDRESS)) and (met.digest, met.state) == ("", "empty")

    bundle = make_bundle(tmp_path / "b")
    with contact(ADDRESS, opener=opener) as device:
        deploy(bundle, device)
    assert (met := inventory.known(ADDRESS)) and (met.digest, met.state) == (bundle.digest, "confirmed")

    inventory.seen(ADDRESS, digest="old")
    with pytest.raises(DeviceError, match="no earlier release"), contact(ADDRESS, opener=opener) as device:
        device.rollback()
    assert (met := inventory.known(ADDRESS)) and met.digest == bundle.digest

    inventory.seen(ADDRESS, digest="old")
    with pytest.raises(LinkError), contact(ADDRESS, opener=opener):
        raise LinkError("gone")
    assert (met := inventory.known(ADDRESS)) and met.digest == "old"


def test_a_device_that_does_not_open_was_not_seen() -> None:
    def opener(address: str, _progress: Progress) -> Device:
        raise LinkError("refused")

    with pytest.raises(LinkError), contact(ADDRESS, opener=opener):
        pass
    assert inventory.known(ADDRESS) is None
