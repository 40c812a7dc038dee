"""The host's apt sources, rewritten for arm64."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.emulate import apt
from edgeq.emulate.sources import arm64_uri, deb822_sources, one_line_sources
from edgeq.errors import UsageError

KEY = """ -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----"""


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://deb.example.org/debian", "http://deb.example.org/debian"),
        ("http://archive.example.com/ubuntu", "http://ports.example.com/ubuntu-ports"),
        ("http://archive.example.com/ubuntu/", "http://ports.example.com/ubuntu-ports"),
        ("http://de.archive.example.com/ubuntu/", "http://ports.example.com/ubuntu-ports"),
        ("https://eu-west-1.ec2.archive.example.com/ubuntu/", "https://ports.example.com/ubuntu-ports"),
        ("http://security.example.com/ubuntu", "http://ports.example.com/ubuntu-ports"),
        ("http://ports.example.com/ubuntu-ports", "http://ports.example.com/ubuntu-ports"),
        ("http://mirror.example.net/pub/ubuntu/", "http://mirror.example.net/pub/ubuntu-ports"),
        ("mirror+file:/etc/apt/mirrors/debian.list", "mirror+file:/etc/apt/mirrors/debian.list"),
    ],
)
def test_arm64_uri(uri: str, expected: str) -> None:
    assert arm64_uri(uri) == expected


def test_one_line_keeps_the_distribution_and_its_key_but_not_the_architecture() -> None:
    text = """
# comment
deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] http://deb.example.org/debian bookworm main contrib # why not
deb http://deb.example.org/debian bookworm-updates main
deb-src http://deb.example.org/debian bookworm main
deb [arch=amd64] https://vendor.example.org/apt bookworm stable
deb https://vendor.example.org/other nodistro main
deb http://deb.example.org/debian bookworm-backports main
deb http://deb.example.org/debian bookworm non-free
"""
    assert one_line_sources(text, "bookworm") == (
        "deb [signed-by=/usr/share/keyrings/a.gpg] http://deb.example.org/debian bookworm main\n"
        "deb http://deb.example.org/debian bookworm-updates main\n"
    )


def test_one_line_on_ubuntu_goes_to_the_ports_archive() -> None:
    text = (
        "deb http://us.archive.example.com/ubuntu/ noble main restricted\n"
        "deb http://security.example.com/ubuntu noble-security main\n"
    )
    assert one_line_sources(text, "noble") == (
        "deb http://ports.example.com/ubuntu-ports noble main\n"
        "deb http://ports.example.com/ubuntu-ports noble-security main\n"
    )


def test_deb822_keeps_keys_and_drops_what_is_off_or_foreign() -> None:
    text = f"""Types: deb deb-src
# a comment inside
URIs: http://archive.example.com/ubuntu http://de.archive.example.com/ubuntu
Suites: noble noble-updates
Components: main universe
Architectures: amd64
Signed-By:
{KEY}

Enabled: no
Types: deb
URIs: http://archive.example.com/ubuntu
Suites: noble
Components: main

Types: deb
URIs: https://vendor.example.org/apt
Suites: noble
Components: stable
"""
    found = deb822_sources(text, "noble")
    assert found.count("Types:") == 1
    assert "Uris: http://ports.example.com/ubuntu-ports http://ports.example.com/ubuntu-ports\n" in found
    assert "Components: main\n" in found
    assert "Architectures" not in found
    assert f"Signed-By: \n{KEY}\n" in found


def test_a_host_without_sources_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        apt.host_sources(tmp_path)
    assert "EDGEQ_APT_SOURCES" in caught.value.hint


def test_the_override_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my.list"
    path.write_text("deb http://mirror.example.org/x bookworm main\n")
    monkeypatch.setenv("EDGEQ_APT_SOURCES", str(path))
    assert apt.host_sources(tmp_path).one_line == path.read_text()
    monkeypatch.setenv("EDGEQ_APT_SOURCES", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="no such file"):
        apt.host_sources(tmp_path)


def test_both_kinds_of_files_are_found(tmp_path: Path) -> None:
    (tmp_path / "apt" / "sources.list.d").mkdir(parents=True)
    (tmp_path / "os-release").write_text('VERSION_CODENAME="bookworm"\n')
    (tmp_path / "apt" / "sources.list").write_text("deb http://a.example.org/debian bookworm main\n")
    (tmp_path / "apt" / "sources.list.d" / "b.sources").write_text(
        "Types: deb\nURIs: http://b.example.org/debian\nSuites: bookworm\nComponents: main\nSigned-By: /k.gpg\n"
    )
    found = apt.host_sources(tmp_path)
    assert found.one_line == "deb http://a.example.org/debian bookworm main\n"
    assert "Uris: http://b.example.org/debian\n" in found.deb822
    assert "Signed-By: /k.gpg\n" in found.deb822
