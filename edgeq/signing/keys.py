"""Ed25519 keys on the host: made, read, and used to sign; the one module that asks `cryptography` for signatures.

::

    FOLDER/NAME.pem    the private key, PKCS #8, mode 0600, under a passphrase
    FOLDER/NAME.pub    the public key: {"kind": "edgeq-key", "schema": 1, "id", "public", "comment", "role"}
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeq.agent.ed25519 import usable
from edgeq.agent.trust_document import BUILDER, MOST_COMMENT, ROLES, Key
from edgeq.errors import ArtifactError, UsageError
from edgeq.host.paths import home

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KIND, SCHEMA = "edgeq-key", 1
PASSPHRASE_FILE = "EDGEQ_KEY_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
LEAST_PASSPHRASE = 8
MOST_BYTES = 64 << 10
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")

Ask = Callable[[str], str]
"""Asks a person for a passphrase, without showing it."""


@dataclass(frozen=True)
class PublicKey:
    """A public key and the role that it was made for."""

    public: bytes
    comment: str = ""
    role: str = BUILDER

    @property
    def id(self) -> str:
        """Hex SHA-256 of the 32 bytes."""
        return self.key.id

    @property
    def key(self) -> Key:
        """As a trust document holds it."""
        return Key(self.public, self.comment)

    def to_json(self) -> dict[str, Any]:
        facts = {"id": self.id, "public": self.public.hex(), "comment": self.comment, "role": self.role}
        return {"kind": KIND, "schema": SCHEMA, **facts}


@dataclass(frozen=True)
class PrivateKey:
    """Signs; it never shows what it signs with."""

    public: PublicKey
    _key: Ed25519PrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self._key.sign(message)


def key_folder() -> Path:
    """Where keys are looked for by their names."""
    return home() / "keys"


def new_key(
    name: str, *, role: str, comment: str = "", folder: Path | None = None, passphrase: bytes | None
) -> tuple[PublicKey, Path]:
    """Make a key and write both files; a key that is there is never replaced. The path is the private one's."""
    private, serialization = _library()
    if not _NAME.fullmatch(name):
        raise UsageError(f"'{name}' cannot be the name of a key.", "Use letters, digits, dot, dash and underscore.")
    key = private.generate()
    public = _described(key.public_key().public_bytes_raw(), comment or name, role)
    path = (folder or key_folder()) / f"{name}.pem"
    form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    if passphrase is None:
        data = key.private_bytes(serialization.Encoding.PEM, *form[1:])
    else:
        from edgeq.signing.pkcs8 import encrypted_pem

        data = encrypted_pem(key.private_bytes(*form), passphrase)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for target in (path, _public_path(path)):
            if target.exists() or target.is_symlink():
                raise UsageError(f"'{target}' is there already, and no key is ever replaced.", "Give another name.")
        _create(path, data, 0o600)
        _create(_public_path(path), (json.dumps(public.to_json(), indent=1) + "\n").encode(), 0o644)
    except OSError as error:
        raise UsageError(f"The key cannot be written: {error}.", "Give another folder (--folder).") from error
    return public, path


def _create(path: Path, data: bytes, mode: int) -> None:
    """A file that is new, with its mode from the first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def passphrase(ask: Ask | None, *, new: bool = False) -> bytes:
    """From the file that EDGEQ_KEY_PASSPHRASE_FILE names, else asked for, twice where it is `new`."""
    path = os.environ.get(PASSPHRASE_FILE)
    if path:
        text = _read(Path(path), "passphrase file").rstrip(b"\r\n")
    elif ask is None:
        raise UsageError(
            "The key needs a passphrase, and there is no terminal to ask for it.",
            f"Write it to a file that only you can read, and name that in {PASSPHRASE_FILE}.",
        )
    else:
        text = ask("Passphrase of the key: ").encode()
        if new and ask("Once more: ").encode() != text:
            raise UsageError("The two passphrases differ.", "Run the command again.")
    if new and len(text) < LEAST_PASSPHRASE:
        raise UsageError(f"A passphrase needs at least {LEAST_PASSPHRASE} characters.", "Take some words.")
    return text


def load_private(name: str, ask: Ask | None = None) -> PrivateKey:
    """The key behind a name or a path to a PEM file."""
    private, serialization = _library()
    path = _private_path(name)
    data = _read(path, "key")
    if sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UsageError(f"Others can read the private key '{path}'.", f"chmod 600 {path}")
    key = _opened(path, data, serialization, ask)
    if not isinstance(key, private):
        raise UsageError(f"'{path}' is no ed25519 key.", "'edgeq keys new NAME' makes one.")
    public = key.public_key().public_bytes_raw()
    beside = _public_path(path)
    known = load_public(str(beside)) if beside.is_file() else None
    if known is None or known.public != public:
        known = PublicKey(public, path.stem)
    return PrivateKey(known, key)


def _opened(path: Path, data: bytes, serialization: Any, ask: Ask | None) -> Any:
    secret = passphrase(ask) if b"ENCRYPTED" in data else None
    try:
        return serialization.load_pem_private_key(data, secret)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"'{path}' holds no private key that can be read, or the passphrase is wrong.",
            f"The file must be a PKCS #8 PEM; {PASSPHRASE_FILE} names the passphrase's file.",
        ) from error
    except Exception as error:  # A cipher that the library does not know has an exception of its own.
        raise UsageError(f"'{path}' cannot be read: {type(error).__name__}.", "Is it a PKCS #8 PEM?") from error


def load_public(name: str) -> PublicKey:
    """The public key behind a name or a path: a .pub of ours, a PEM file (SubjectPublicKeyInfo), or 64 hex digits."""
    if re.fullmatch(r"[0-9a-f]{64}", name) and not Path(name).exists():
        return _described(bytes.fromhex(name), "", BUILDER)
    path = Path(name)
    if path.suffix == ".pem" and _public_path(path).is_file() and b"PRIVATE" in _read(path, "key"):
        path = _public_path(path)
    elif not path.is_file():
        path = key_folder() / f"{name}.pub" if _NAME.fullmatch(name) else path
    data = _read(path, "key")
    if b"PRIVATE KEY" in data:
        raise UsageError(f"'{path}' is a private key.", "Give the public one (NAME.pub).")
    return _from_pem(path, data) if b"BEGIN PUBLIC KEY" in data else _from_json(path, data)


def _from_json(path: Path, data: bytes) -> PublicKey:
    try:
        document = json.loads(data)
        if document["kind"] != KIND or document["schema"] != SCHEMA:
            raise ValueError("it is of another kind or schema")
        found = _described(bytes.fromhex(document["public"]), str(document["comment"]), document["role"])
        if found.id != document["id"]:
            raise ValueError("its id is not that of its key")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"'{path}' is no public key of edgeq: {error}.", "'edgeq keys new' writes them.") from error
    return found


def _from_pem(path: Path, data: bytes) -> PublicKey:
    """The 32 bytes stand at the end of the one form that RFC 8410 allows."""
    import base64

    head = bytes.fromhex("302a300506032b6570032100")
    match = re.search(rb"-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----", data)
    try:
        raw = base64.b64decode(match.group(1)) if match else b""
    except ValueError:
        raw = b""
    if len(raw) != 44 or not raw.startswith(head):
        raise ArtifactError(f"'{path}' is no ed25519 public key.", "openssl pkey -in KEY.pem -pubout writes one.")
    return _described(raw[12:], path.stem, BUILDER)


def public_pem(key: PublicKey) -> str:
    """SubjectPublicKeyInfo, for other tools."""
    import base64

    data = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + key.public).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{data}\n-----END PUBLIC KEY-----\n"


def listed_keys() -> list[PublicKey]:
    """The public keys in the folder of keys, by name."""
    return [load_public(str(path)) for path in sorted(key_folder().glob("*.pub"))]


def _described(public: bytes, comment: str, role: str) -> PublicKey:
    if role not in ROLES:
        raise UsageError(f"There is no role '{role}'.", f"Use {' or '.join(ROLES)}.")
    if len(comment) > MOST_COMMENT or not (comment.isprintable() or not comment):
        raise UsageError(f"A comment is one line of at most {MOST_COMMENT} characters.", "Give a shorter one.")
    if not usable(public):
        raise ArtifactError(f"{public.hex()[:64]} is no sound ed25519 public key.", "Is the file damaged?")
    return PublicKey(public, comment, role)


def _private_path(name: str) -> Path:
    path = Path(name)
    return key_folder() / f"{name}.pem" if not path.is_file() and _NAME.fullmatch(name) else path


def _public_path(private: Path) -> Path:
    return private.with_suffix(".pub")


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        hint = "'edgeq keys show' lists the keys, 'edgeq keys new NAME' makes one." if what == "key" else "Check it."
        raise UsageError(f"The {what} '{path}' cannot be read: {error.strerror}.", hint) from error
    if len(data) > MOST_BYTES:
        raise UsageError(f"The {what} '{path}' is too large.", "Is it the right file?")
    return data


def _library() -> tuple[type[Ed25519PrivateKey], Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise UsageError("Signing needs the Python package cryptography.", "pip install 'edgeq[sign]'") from error
    return Ed25519PrivateKey, serialization
