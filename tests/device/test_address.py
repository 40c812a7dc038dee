"""Addresses, before anything is opened."""

from __future__ import annotations

import pytest

from edgeq.device.address import check_address, local_store
from edgeq.errors import UsageError
from edgeq.host.paths import home


@pytest.mark.parametrize(
    "address",
    [
        "local:",
        "local:a-1.b_c",
        "ssh://pi@host:2222",
        "serial:/dev/ttyACM0?baud=921600",
        "tcp://host:4000",
        "qemu:rpi4",
        "qemu:rpi4#second",
        "qemu:mps2-an386",
    ],
)
def test_addresses(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    ("address", "message", "hint"),
    [
        ("pi", "not a device address", "Give local:"),
        ("local", "not a device address", "Did you mean 'local:'?"),
        ("shs://pi@host", "not a device address", "Did you mean 'ssh:'?"),
        ("local:/etc", "cannot name a device", "local:NAME"),
        ("local:..", "cannot name a device", "local:NAME"),
        ("local:" + "x" * 65, "cannot name a device", "at most 64"),
        ("ssh://pi@", "no valid host name", "ssh://user@host"),
        ("serial:", "names no serial port", "serial:/dev/ttyACM0"),
        ("tcp://host", "needs a host and a port", "tcp://host:port"),
        ("qemu:rpi44", "no emulated device", "Did you mean 'rpi4'?"),
        ("qemu:rpi4#a/b", "cannot name an instance", "letters"),
    ],
)
def test_mistakes(address: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        check_address(address)
    assert message in error.value.message
    assert hint in error.value.hint


def test_every_name_has_a_store_of_its_own() -> None:
    assert local_store("local:") == home() / "local"
    assert local_store("local:a") == home() / "local-a"
