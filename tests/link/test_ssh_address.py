"""Addresses: what is accepted comes back, everything else is refused before it can do harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import UsageError
from edgeq.link.ssh_address import Address, parse_destination, parse_ssh


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssh://pi", Address("pi")),
        ("ssh://pi@host", Address("host", 0, "pi")),
        ("ssh://pi@host:2222", Address("host", 2222, "pi")),
        ("SSH://host.lab/", Address("host.lab")),
        ("ssh://192.168.1.7:22", Address("192.168.1.7", 22)),
        ("ssh://[::1]:22", Address("::1", 22)),
        ("ssh://me@[fe80::1%eth0]", Address("fe80::1%eth0", 0, "me")),
        ("ssh://u0_a123@phone:8022", Address("phone", 8022, "u0_a123")),
        ("ssh://me@corp.com@host", Address("host", 0, "me@corp.com")),
    ],
)
def test_accepted(text: str, expected: Address) -> None:
    assert parse_ssh(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "ssh:host",
        "http://host",
        "ssh://",
        "ssh://@host",
        "ssh://-oProxyCommand=touch",
        "ssh://-l@host",
        "ssh://host name",
        "ssh://host\nname",
        "ssh://host\n",
        "ssh://ho\0st",
        "ssh://$(id)",
        "ssh://host;id",
        "ssh://`id`@host",
        "ssh://us er@host",
        "ssh://host:0",
        "ssh://host:65536",
        "ssh://host:",
        "ssh://host:22x",
        "ssh://host:²²",
        "ssh://::1",
        "ssh://[::1",
        "ssh://[host]:22",
        "ssh://host/path",
        "ssh://host?x=1",
        "ssh://hôst",
        "ssh://host-",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_ssh(text)
    assert caught.value.hint


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        parse_ssh("ssh://pi:s3cret@host")
    assert "s3cret" not in caught.value.message + caught.value.hint


@given(st.text())
def test_whatever_is_accepted_is_harmless(text: str) -> None:
    try:
        address = parse_destination(text)
    except UsageError:
        return
    assert not (address.host + address.user).startswith("-")
    assert not set(address.host + address.user) & set(" \t\r\n\0'\"`$;&|<>(){}\\*?!#")
    assert parse_ssh(str(address)) == address
