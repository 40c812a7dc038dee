"""Keys and signatures as a user and a script meet them, up to a real agent that then takes only what is signed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bundles import make_bundle
from commandline import edgeq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from signers import Signer

from edgeq.host.paths import home

Run = Callable[..., tuple[int, str, str]]
SECRET = "correct horse battery"


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Exit code, stdout and stderr of one command; in the end no output may have held a secret."""
    said: list[str] = []
    (tmp_path / "pass").write_text(SECRET + "\n")
    monkeypatch.setenv("EDGEQ_KEY_PASSPHRASE_FILE", str(tmp_path / "pass"))
    monkeypatch.chdir(tmp_path)

    def started(*arguments: object) -> tuple[int, str, str]:
        code, *texts = edgeq(*arguments, capture=capfd, monkeypatch=monkeypatch)
        said.extend(texts)
        return code, *texts

    yield started
    for form in secrets():
        assert not [text for text in said if form.decode() in text]


def secrets() -> list[bytes]:
    """What must be nowhere: the passphrase, and every private key in the folder of keys, in the usual forms."""
    found = [SECRET.encode()]
    for path in (home() / "keys").glob("*.pem"):
        key = load_pem_private_key(path.read_bytes(), SECRET.encode() if b"ENCRYPTED" in path.read_bytes() else None)
        assert isinstance(key, Ed25519PrivateKey)
        raw = key.private_bytes_raw()
        found += [raw.hex().encode(), base64.b64encode(raw)]
    return found


def told(answer: tuple[int, str, str]) -> Any:
    assert answer[0] == 0, answer[2]
    return json.loads(answer[1])


@pytest.fixture
def team(run: Run) -> Run:
    """Keys of alice, who builds, and bob, who approves; trust.json, signed by both."""
    for name, role in (("alice", "builder"), ("bob", "approver")):
        assert run("keys", "new", name, "--role", role, "-v")[0] == 0
    assert run("keys", "trust", "new", "trust.json", "--builder", "alice", "--approver", "bob")[0] == 0
    assert told(run("sign", "trust.json", "--key", "alice", "--key", "bob", "--json"))["complete"]
    return run


def test_keys_are_made_and_listed(run: Run) -> None:
    made = told(run("keys", "new", "alice", "--role", "builder", "--json"))
    assert "private" not in json.loads(Path(made["public_file"]).read_text())
    code, out, _ = run("keys", "show")
    assert code == 0 and made["id"] in out and "alice" in out
    assert told(run("keys", "show", "alice", "--json"))["public"] == made["public"]
    assert run("keys", "show", "alice", "--pem")[1].startswith("-----BEGIN PUBLIC KEY-----")
    assert run("keys", "new", "alice")[0] == 2
    assert run("keys", "show", "nobody")[0] == 2
    assert run("keys", "new", "carol", "--role", "root")[0] == 2


def test_a_bundle_is_signed_here_and_elsewhere(team: Run, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "tiny").folder
    assert team("keys", "check", folder, "--trust", "trust.json")[0] == 6
    assert told(team("sign", folder, "--key", "alice", "--json"))["signatures"]
    code, _, err = team("keys", "check", folder, "--trust", "trust.json")
    assert code == 6 and "0 of 1 needed signatures of the role approver" in err

    elsewhere = Signer("an HSM")
    written = told(team("digest", folder, "-o", "tiny.pae", "--json"))
    message = Path("tiny.pae").read_bytes()
    assert written["bytes"] == len(message)
    Path("tiny.sig").write_bytes(elsewhere.sign(message))
    arguments = ("attach-signature", folder, "--signature", "tiny.sig")
    assert told(team(*arguments, "--public", elsewhere.public.hex(), "--json"))["signatures"][1] == elsewhere.id
    assert team(*arguments, "--public", "alice")[0] == 6, "it is not hers"
    assert team(*arguments)[0] == team(*arguments, "--key-id", "nobody")[0] == 2

    bob = load_pem_private_key((home() / "keys" / "bob.pem").read_bytes(), SECRET.encode())
    assert isinstance(bob, Ed25519PrivateKey)
    Path("tiny.sig").write_text(bob.sign(message).hex())
    assert team(*arguments, "--key-id", "bob", "--trust", "trust.json")[0] == 0
    code, out, _ = team("keys", "check", folder, "--trust", "trust.json")
    assert code == 0 and "(alice)" in out and "(bob)" in out
    assert team("digest", folder, "--image")[0] == 2, "a bundle for Linux has no image"


def test_a_trust_document_grows_version_by_version(team: Run) -> None:
    assert team("keys", "new", "carol")[0] == 0
    assert team("keys", "trust", "add", "trust.json", "carol")[0] == 0
    assert team("keys", "trust", "threshold", "trust.json", "builder", "2")[0] == 0
    code, _, err = team("keys", "trust", "revoke", "trust.json", "alice")
    assert code == 6 and "needs 2 signatures and has 1 keys" in err and "Add a key first" in err
    assert team("keys", "trust", "threshold", "trust.json", "builder", "1")[0] == 0
    assert team("keys", "trust", "revoke", "trust.json", "alice")[0] == 0
    shown = told(team("keys", "trust", "show", "trust.json", "--json"))
    assert (shown["document"]["version"], shown["complete"]) == (2, False)
    code, out, _ = team("sign", "trust.json", "--key", "carol", "-k", "bob")
    assert code == 0 and "0 of 1 signatures of the role builder of version 1" in out
    assert told(team("sign", "trust.json", "--key", "alice", "--json"))["complete"]
    assert team("keys", "trust", "revoke", "trust.json", "nobody")[0] == 2


def test_a_device_is_provisioned_and_holds_no_secret(team: Run, tmp_path: Path) -> None:
    address = "local:signed"
    folder = make_bundle(tmp_path / "tiny").folder
    assert told(team("keys", "provision", address, "trust.json", "--json"))["trust_version"] == 1
    code, _, err = team("deploy", folder, "--to", address)
    assert code == 5 and "sign" in err
    assert team("sign", folder, "-k", "alice", "-k", "bob")[0] == 0
    assert team("deploy", folder, "--to", address, "-v")[0] == 0
    assert "trust version 1" in team("keys", "provision", address, "trust.json")[1]
    everything = [path for place in (folder, home()) for path in place.rglob("*") if path.is_file()]
    assert len(everything) > 10
    for form in secrets():
        assert not [path for path in everything if form in path.read_bytes()]


def test_a_document_that_lacks_signatures_is_not_sent(run: Run) -> None:
    assert run("keys", "new", "alice", "--no-passphrase")[0] == 0
    assert run("keys", "trust", "new", "trust.json", "--builder", "alice")[0] == 0
    code, _, err = run("keys", "provision", "local:unsigned", "trust.json")
    assert code == 6 and "0 of 1 signatures" in err and "edgeq sign trust.json" in err
