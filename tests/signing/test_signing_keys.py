"""Keys: made once, guarded, read by other tools, and never shown."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeq.agent.ed25519 import verify
from edgeq.errors import ArtifactError, EdgeqError, UsageError
from edgeq.signing import keys
from edgeq.signing.keys import PASSPHRASE_FILE, load_private, load_public, new_key, public_pem

SECRET = b"correct horse battery"
PEM, PKCS8, PLAIN = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()


def secret_bytes(path: Path, password: bytes | None) -> bytes:
    key = serialization.load_pem_private_key(path.read_bytes(), password)
    assert isinstance(key, Ed25519PrivateKey)
    return key.private_bytes_raw()


@pytest.fixture
def alice(tmp_path: Path) -> Path:
    return new_key("alice", role="builder", folder=tmp_path, passphrase=SECRET)[1]


def test_a_key_signs_with_its_passphrase(alice: Path) -> None:
    private = load_private(str(alice), lambda _: SECRET.decode())
    assert verify(private.public.public, b"message", private.sign(b"message"))
    assert private.public == load_public(str(alice.with_suffix(".pub")))
    assert (private.public.comment, private.public.role) == ("alice", "builder")


def test_a_name_is_looked_for_in_the_folder_of_keys() -> None:
    made, path = new_key("bob", role="approver", comment="Bob of QA", passphrase=None)
    assert path.parent == keys.key_folder()
    assert load_private("bob").public == load_public("bob") == load_public(str(path)) == made
    assert load_public(made.public.hex()).id == made.id
    assert keys.listed_keys() == [made]


def test_the_passphrase_comes_from_a_file(alice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pass").write_bytes(SECRET + b"\n")
    monkeypatch.setenv(PASSPHRASE_FILE, str(tmp_path / "pass"))
    assert load_private(str(alice))
    assert keys.passphrase(None, new=True) == SECRET
    monkeypatch.setenv(PASSPHRASE_FILE, str(tmp_path / "none"))
    with pytest.raises(UsageError, match="passphrase file"):
        load_private(str(alice))


def test_without_a_passphrase_nothing_opens(alice: Path) -> None:
    with pytest.raises(UsageError, match="no terminal to ask") as caught:
        load_private(str(alice))
    assert PASSPHRASE_FILE in caught.value.hint
    with pytest.raises(UsageError, match="the passphrase is wrong"):
        load_private(str(alice), lambda _: "wrong horse")


def test_a_new_passphrase_is_asked_for_twice_and_is_long_enough() -> None:
    answers = iter(["correct horse", "correct house", "short", "short", "correct horse", "correct horse"])
    with pytest.raises(UsageError, match="differ"):
        keys.passphrase(lambda _: next(answers), new=True)
    with pytest.raises(UsageError, match="at least 8"):
        keys.passphrase(lambda _: next(answers), new=True)
    assert keys.passphrase(lambda _: next(answers), new=True) == b"correct horse"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_only_the_owner_can_read_a_private_key(alice: Path) -> None:
    assert stat.S_IMODE(alice.stat().st_mode) == 0o600
    for mode in (0o640, 0o604):
        alice.chmod(mode)
        with pytest.raises(UsageError, match="Others can read") as caught:
            load_private(str(alice), lambda _: SECRET.decode())
        assert caught.value.hint == f"chmod 600 {alice}"


def test_no_key_is_ever_replaced(alice: Path, tmp_path: Path) -> None:
    before = alice.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        new_key("alice", role="builder", folder=tmp_path, passphrase=None)
    alice.unlink()
    with pytest.raises(UsageError, match="is there already"):
        new_key("alice", role="builder", folder=tmp_path, passphrase=None)
    alice.with_suffix(".pub").unlink()
    alice.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is there already"):
        new_key("alice", role="builder", folder=tmp_path, passphrase=None)
    assert before


@pytest.mark.parametrize("name", ["", "../alice", "-k", ".a", "a b", "a/b", "a" * 65, "ä"])
def test_names_are_limited(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="name of a key"):
        new_key(name, role="builder", folder=tmp_path, passphrase=None)
    assert not list(tmp_path.iterdir())


def test_roles_and_comments_are_limited(tmp_path: Path) -> None:
    for given in ({"role": "root"}, {"role": "builder", "comment": "a\nb"}, {"role": "builder", "comment": "x" * 101}):
        with pytest.raises(UsageError):
            new_key("alice", folder=tmp_path, passphrase=None, **given)
    assert not list(tmp_path.iterdir())


def test_the_secret_is_in_no_text_and_in_no_public_file(alice: Path) -> None:
    secret = secret_bytes(alice, SECRET)
    private = load_private(str(alice), lambda _: SECRET.decode())
    public = alice.with_suffix(".pub").read_bytes()
    for text in (repr(private), str(private), str(vars(private)["_key"]), public.decode()):
        assert secret.hex() not in text
        assert SECRET.decode() not in text
    assert secret not in alice.read_bytes()
    assert b"ENCRYPTED" in alice.read_bytes()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_reads_our_keys_and_we_read_its_keys(alice: Path, tmp_path: Path) -> None:
    (tmp_path / "pass").write_bytes(SECRET)
    command = ["openssl", "pkey", "-in", str(alice), "-passin", f"file:{tmp_path / 'pass'}", "-pubout"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == public_pem(load_public(str(alice)))
    theirs = tmp_path / "theirs.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(theirs)], timeout=60, check=True)
    theirs.chmod(0o600)
    public = tmp_path / "theirs-public.pem"
    subprocess.run(["openssl", "pkey", "-in", str(theirs), "-pubout", "-out", str(public)], timeout=60, check=True)
    private = load_private(str(theirs))
    assert private.public.id == load_public(str(public)).id
    assert verify(load_public(str(public)).public, b"message", private.sign(b"message"))


def test_what_is_no_key_is_told(tmp_path: Path, alice: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    files: dict[str, bytes] = {
        "ec.pem": other.private_bytes(PEM, PKCS8, PLAIN),
        "junk.pem": b"junk",
        "empty.pem": b"",
        "large.pem": b"x" * 100_000,
        "cut.pem": alice.read_bytes()[:-60],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
        with pytest.raises(EdgeqError):
            load_private(str(tmp_path / name), lambda _: SECRET.decode())
        with pytest.raises(EdgeqError):
            load_public(str(tmp_path / name))
    ec_public = other.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "ec-public.pem").write_bytes(ec_public)
    with pytest.raises(ArtifactError, match="no ed25519 public key"):
        load_public(str(tmp_path / "ec-public.pem"))
    alice.with_suffix(".pub").unlink()
    with pytest.raises(UsageError, match="is a private key"):
        load_public(str(alice))
    with pytest.raises(UsageError, match="cannot be read"):
        load_public("nobody")


def test_a_public_key_that_was_changed_is_told(alice: Path) -> None:
    path = alice.with_suffix(".pub")
    good = path.read_bytes()
    for old, new in (
        (b'"public": "', b'"public": "00'),
        (b'"id": "', b'"id": "0'),
        (b"builder", b"root"),
        (b"{", b"["),
    ):
        path.write_bytes(good.replace(old, new, 1))
        with pytest.raises(EdgeqError):
            load_public(str(path))
    path.write_bytes(b"[" * 60_000)
    with pytest.raises(ArtifactError, match="no public key of edgeq"):
        load_public(str(path))
