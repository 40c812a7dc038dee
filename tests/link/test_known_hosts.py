"""known_hosts: ssh-keygen is the oracle for names, hashes and fingerprints; the rules are OpenSSH's."""

from __future__ import annotations

import base64
import contextlib
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import LinkError, UsageError
from edgeq.host import paths
from edgeq.link.known_hosts import (
    HostKey,
    check,
    host_name,
    known_types,
    matches,
    parse_line,
    read_expected,
    read_known_hosts,
    remember,
    remember_all,
)
from edgeq.link.ssh_address import parse_ssh


def key(number: int = 1, name: str = "pi", kind: str = "ssh-ed25519") -> HostKey:
    head = len(kind).to_bytes(4, "big") + kind.encode()
    return HostKey(name, kind, head + bytes([number]) * 36)


def entries(tmp_path: Path, *lines: str) -> list[object]:
    path = tmp_path / "known"
    path.write_text("\n".join(lines) + "\n")
    return read_known_hosts([tmp_path / "absent", path])  # type: ignore[return-value]


def verdict(tmp_path: Path, shown: HostKey, *lines: str) -> str:
    try:
        check(shown, entries(tmp_path, *lines), "ssh://pi")  # type: ignore[arg-type]
    except LinkError as error:
        assert error.hint
        return next(word for word in ("not known", "changed", "revoked") if word in error.message)
    return "known"


@pytest.mark.parametrize(
    ("name", "shown", "lines", "expected"),
    [
        ("plain", key(), [key().line], "known"),
        ("empty", key(), [], "not known"),
        ("other host", key(), [key(1, "tau").line], "not known"),
        ("changed", key(2), [key(1).line], "changed"),
        ("another type", key(2, kind="ssh-rsa"), [key(1).line], "changed"),
        ("two keys, second fits", key(2), [key(1).line, key(2).line], "known"),
        ("port", key(1, "[pi]:2222"), [key(1, "[pi]:2222").line], "known"),
        ("port differs", key(1, "[pi]:2222"), [key(1, "[pi]:2223").line], "not known"),
        ("known without port", key(1, "[pi]:2222"), [key(1).line], "known"),
        ("differs without port", key(2, "[pi]:2222"), [key(1).line], "not known"),
        ("port changed", key(2, "[pi]:2222"), [key(1, "[pi]:2222").line], "changed"),
        ("list", key(), [key(1, "tau,pi,rho").line], "known"),
        ("wildcard", key(1, "pi.lab"), [key(1, "*.lab").line], "known"),
        ("negated", key(1, "pi.lab"), [key(1, "*.lab,!pi.lab").line], "not known"),
        ("bracket wildcard", key(1, "[pi.lab]:7"), [key(1, "[*.lab]:7").line], "known"),
        ("case", key(), [key(1, "PI").line], "known"),
        ("revoked", key(), ["@revoked * " + key().line.partition(" ")[2]], "revoked"),
        ("revoked wins", key(), [key().line, "@revoked pi " + key().line.partition(" ")[2]], "revoked"),
        ("revoked for all ports", key(1, "[pi]:7"), ["@revoked pi " + key().line.partition(" ")[2]], "revoked"),
        ("revoked elsewhere", key(), [key().line, "@revoked tau " + key().line.partition(" ")[2]], "known"),
        ("authority", key(), ["@cert-authority * " + key().line.partition(" ")[2]], "not known"),
        ("comment", key(), ["# " + key().line], "not known"),
        ("damaged", key(), ["pi ssh-ed25519 AAAA!!!", "pi", "", "pi ssh-rsa " + key().line.split()[2]], "not known"),
        ("with comment", key(), [key().line + " me@there"], "known"),
    ],
)
def test_verdict(tmp_path: Path, name: str, shown: HostKey, lines: list[str], expected: str) -> None:
    assert verdict(tmp_path, shown, *lines) == expected


def test_messages_name_place_and_fingerprints(tmp_path: Path) -> None:
    with pytest.raises(LinkError) as caught:
        check(key(2), entries(tmp_path, "# one", key(1).line), "ssh://pi")  # type: ignore[arg-type]
    assert f"{tmp_path / 'known'}:2" in caught.value.message
    assert key(1).fingerprint in caught.value.message and key(2).fingerprint in caught.value.message
    with pytest.raises(LinkError) as caught:
        check(key(2), [], "ssh://pi")
    assert caught.value.message == "The host key of ssh://pi is not known."
    assert "edgeq trust ssh://pi" in caught.value.hint and key(2).fingerprint in caught.value.hint


def test_known_types_come_first(tmp_path: Path) -> None:
    found = entries(tmp_path, key(1, kind="ssh-rsa").line, key(1).line, key(3, "tau", "ecdsa-sha2-nistp256").line)
    assert known_types(found, "pi") == ["ssh-rsa", "ssh-ed25519"]  # type: ignore[arg-type]
    assert known_types(found, "[pi]:7") == ["ssh-rsa", "ssh-ed25519"]  # type: ignore[arg-type]
    assert known_types(found, "rho") == []  # type: ignore[arg-type]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_against_ssh_keygen(tmp_path: Path) -> None:
    private = tmp_path / "k"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(private)], check=True)
    kind, text = Path(f"{private}.pub").read_text().split()[:2]
    shown = HostKey(host_name("Pi.Lab", 2222), kind, base64.b64decode(text))
    told = subprocess.run(["ssh-keygen", "-lf", f"{private}.pub"], check=True, capture_output=True, text=True).stdout
    assert shown.fingerprint in told.split()
    file = tmp_path / "hashed"
    file.write_text(f"{shown.line}\nother {kind} {text}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "|1|" in file.read_text() and "pi.lab" not in file.read_text()
    check(shown, read_known_hosts([file]), "ssh://pi")
    with pytest.raises(LinkError, match="changed"):
        check(HostKey(shown.name, kind, shown.blob + b"x"), read_known_hosts([file]), "ssh://pi")
    told = subprocess.run(
        ["ssh-keygen", "-F", "[pi.lab]:2222", "-f", str(remember(shown))], check=True, capture_output=True, text=True
    ).stdout
    assert "found: line 1" in told


def test_remember(tmp_path: Path) -> None:
    path = remember(key(1))
    assert path == paths.home() / "known_hosts" and stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("# kept\n" + path.read_text())
    assert remember(key(1)) == path and path.read_text().count("pi ") == 1
    remember(key(5, "tau"))
    with pytest.raises(LinkError, match="already holds a different key"):
        remember(key(2))
    check(key(1), read_known_hosts([path]), "ssh://pi")
    remember(key(2), replace=True)
    assert verdict(tmp_path, key(1), *path.read_text().splitlines()) == "changed"
    assert verdict(tmp_path, key(2), *path.read_text().splitlines()) == "known"
    assert verdict(tmp_path, key(5, "tau"), *path.read_text().splitlines()) == "known"
    assert "# kept" in path.read_text() and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir() if item.is_file()] == ["known_hosts"]


def test_many_at_once_are_one_write_and_the_refused_are_told(tmp_path: Path) -> None:
    path = tmp_path / "known"
    path.write_text("# mine\n" + key(1, "one").line + "\n")
    refused = remember_all([key(1, "one"), key(2, "one"), key(3, "two"), key(4, "two"), key(5, "three")], path=path)
    assert [item and item.message.partition(" already")[0] for item in refused] == [
        None,
        f"{path}:2",
        None,
        f"{path}:3",
        None,
    ]
    assert path.read_text().splitlines() == ["# mine", key(1, "one").line, key(3, "two").line, key(5, "three").line]
    assert remember_all([key(2, "one"), key(6, "four")], replace=True, path=path) == [None, None]
    assert path.read_text().splitlines()[-2:] == [key(2, "one").line, key(6, "four").line]


PRINT = "SHA256:" + "x" * 43


def test_a_list_of_expected_keys(tmp_path: Path) -> None:
    path = tmp_path / "list"
    lines = [
        "# lab",
        "",
        key(1, "One").line,
        f"[two]:2222 {PRINT}",
        f"one,fe80::1 {PRINT} a comment",
        f"[::1]:7 {PRINT}",
    ]
    path.write_text("\n".join(lines))
    found = read_expected(path)
    assert [(item.host, item.fingerprints, item.address) for item in found] == [
        ("one", (key(1).fingerprint, PRINT), "ssh://one"),
        ("[two]:2222", (PRINT,), "ssh://two:2222"),
        ("fe80::1", (PRINT,), "ssh://[fe80::1]"),
        ("[::1]:7", (PRINT,), "ssh://[::1]:7"),
    ]
    assert found[0].place == f"{path}:3"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("pi", "cannot be read"),
        (f"pi {PRINT[:-1]}", "cannot be read"),
        ("pi MD5:aa:bb", "cannot be read"),
        ("pi ssh-ed25519 AAAA", "cannot be read"),
        ("@revoked " + key().line, "cannot be read"),
        (f"*.lab {PRINT}", "'*.lab' is not the name of one host"),
        (f"!pi {PRINT}", "'!pi' is not the name of one host"),
        (f"[pi]:0 {PRINT}", "is not the name of one host"),
        (f"[pi]:x {PRINT}", "is not the name of one host"),
        (f"pi,, {PRINT}", "'' is not the name of one host"),
        (f"-oProxyCommand=x {PRINT}", "is not the name of one host"),
        ("|1|AAAA|AAAA " + key().line.partition(" ")[2], "hashed"),
        ("# nothing", "names no host"),
    ],
)
def test_a_list_that_says_anything_else_is_refused_whole(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "list"
    path.write_text(line + "\n")
    with pytest.raises(UsageError) as error:
        read_expected(path)
    assert message in error.value.message and str(path) in error.value.message and error.value.hint


@given(st.text(alphabet="ab:[]%@,.*!|1 \t-/", max_size=20))
def test_no_host_of_a_list_breaks_it(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.getbasetemp() / "list"
    path.write_text(f"{name} {PRINT}\n")
    with contextlib.suppress(UsageError):
        for item in read_expected(path):
            assert str(parse_ssh(item.address)) == item.address


@given(st.text(), st.text())
def test_no_line_and_no_name_breaks_it(line: str, name: str) -> None:
    entry = parse_line(line, "f:1")
    if entry:
        matches(entry.patterns, name)


@given(st.text(alphabet="ab*?[]!|1=", max_size=12), st.text(alphabet="ab[]", max_size=8))
def test_patterns_of_many_kinds(pattern: str, name: str) -> None:
    assert matches((name or "x",), name or "x") or "!" in name
    matches((pattern,), name)
