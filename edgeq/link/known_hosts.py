"""known_hosts files: which keys a host may show, and remembering one that somebody compared.

The format and the rules are OpenSSH's (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): lists of patterns, `[host]:port`,
hashed names, `@revoked`. `@cert-authority` lines are skipped, for certificates are not used here. Nothing here opens
a connection.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import LinkError, UsageError
from edgeq.host import paths
from edgeq.link.ssh_address import DEFAULT_PORT, parse_ssh

MAX_FILE_BYTES = 16 << 20


@dataclass(frozen=True)
class HostKey:
    """What a host showed. `name` is what known_hosts files call the host: `host` or `[host]:port`."""

    name: str
    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -lf` writes it: `SHA256:...`."""
        return fingerprint(self.blob)

    @property
    def line(self) -> str:
        """The line of a known_hosts file, without its newline."""
        return f"{self.name} {self.type} {base64.b64encode(self.blob).decode()}"


@dataclass(frozen=True)
class Entry:
    """One line of one file; `place` is `file:line`."""

    marker: str
    patterns: tuple[str, ...]
    type: str
    blob: bytes
    place: str


@dataclass(frozen=True)
class Expected:
    """The keys that a list says a host has, each as its fingerprint. `host` is `host` or `[host]:port`, as in
    known_hosts files; `place` is `file:line` of the first of them."""

    host: str
    fingerprints: tuple[str, ...]
    place: str

    @property
    def address(self) -> str:
        """Where it is asked for its key."""
        host, port = _host_and_port(self.host)
        return f"ssh://{f'[{host}]' if ':' in host else host}" + (f":{port}" if port else "")


def fingerprint(blob: bytes) -> str:
    """`SHA256:` and the unpadded base64 of the digest of a public key."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def host_name(host: str, port: int) -> str:
    """What known_hosts files call a host at a port."""
    host = host.lower()
    return host if port == DEFAULT_PORT else f"[{host}]:{port}"


def own_file() -> Path:
    """Where `edgeq trust` remembers keys."""
    return paths.home() / "known_hosts"


def system_files() -> tuple[Path, ...]:
    """The machine's files, which OpenSSH reads too."""
    return Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2")


def user_files() -> tuple[Path, ...]:
    """The user's files, unless UserKnownHostsFile names others."""
    folder = Path.home() / ".ssh"
    return folder / "known_hosts", folder / "known_hosts2"


def read_known_hosts(files: Iterable[Path]) -> list[Entry]:
    """Every usable line of those files that exist, in order; a line that cannot be read is skipped, as OpenSSH does."""
    return [entry for path in files for entry in _entries(path, _lines(path) or [])]


def _lines(path: Path) -> list[str] | None:
    """The lines of a file, bytes that are no text kept as they are; None where there is no file."""
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES).decode("utf-8", "surrogateescape").split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.", "Host keys are looked up in it.") from error


def _entries(path: Path, lines: Sequence[str]) -> list[Entry]:
    parsed = (parse_line(line, f"{path}:{number}") for number, line in enumerate(lines, 1))
    return [entry for entry in parsed if entry]


def parse_line(line: str, place: str) -> Entry | None:
    """One line, or None for a comment or anything damaged."""
    fields = line.split()
    if not fields or fields[0].startswith("#"):
        return None
    marker = fields.pop(0) if fields[0].startswith("@") else ""
    if len(fields) < 3:
        return None
    try:
        blob = base64.b64decode(fields[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    # The blob begins with its own type: a line whose two types differ is damaged.
    kind = fields[1].encode("utf-8", "replace")
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind):
        return None
    return Entry(marker, tuple(fields[0].split(",")), fields[1], blob, place)


def read_expected(path: Path) -> list[Expected]:
    """The hosts of a list, each once, in its order: lines of a known_hosts file, or `host SHA256:fingerprint`.

    It is what keys are compared with, so nothing in it is passed over: `UsageError` names the line.
    """
    lines = _lines(path)
    if lines is None:
        raise UsageError(f"There is no file {path}.", "'ssh-keyscan HOST...' on a trusted network writes one.")
    found: dict[str, Expected] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        place = f"{path}:{number}"
        names, print_ = _expected_line(line, place)
        for name in names:
            before = found.get(name, Expected(name, (), place))
            prints = tuple(dict.fromkeys((*before.fingerprints, print_)))
            found[name] = Expected(name, prints, before.place)
    if not found:
        raise UsageError(f"{path} names no host.", FORM_OF_LISTS)
    return list(found.values())


FORM_OF_LISTS = "A line is 'host SHA256:fingerprint', '[host]:port SHA256:fingerprint' or a line of a known_hosts file."
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


def _expected_line(line: str, place: str) -> tuple[list[str], str]:
    """The hosts of one line and the fingerprint of their key."""
    words, entry = line.split(), parse_line(line, place)
    if entry and not entry.marker:
        names, found = list(entry.patterns), fingerprint(entry.blob)
    elif len(words) > 1 and _FINGERPRINT.fullmatch(words[1]):
        names, found = words[0].split(","), words[1]
    else:
        raise UsageError(f"{place}: this line cannot be read.", FORM_OF_LISTS)
    return [_plain_host(name, place) for name in names], found


def _plain_host(name: str, place: str) -> str:
    """`host` or `[host]:port`, and nothing that stands for several hosts or hides one."""
    if name.startswith("|"):
        raise UsageError(f"{place}: the host's name is hashed, so it cannot be asked.", "Write its name instead.")
    host, port = _host_and_port(name)
    if "/" in name:
        raise UsageError(f"{place}: '{name}' is not the name of one host.", FORM_OF_LISTS)
    try:
        parse_ssh(f"ssh://{f'[{host}]' if ':' in host else host}" + (f":{port}" if port else ""))
    except UsageError as error:
        raise UsageError(f"{place}: '{name}' is not the name of one host.", FORM_OF_LISTS) from error
    return host_name(host, int(port or DEFAULT_PORT))


def _host_and_port(name: str) -> tuple[str, str]:
    if not name.startswith("["):
        return name, ""
    host, _, port = name[1:].partition("]:")
    return host, port


def matches(patterns: Sequence[str], name: str) -> bool:
    """Whether a list of patterns means `name`; a matching `!pattern` excludes it."""
    found = False
    for pattern in patterns:
        if pattern.startswith("!"):
            if _matches_one(pattern[1:], name):
                return False
        elif _matches_one(pattern, name):
            found = True
    return found


def _matches_one(pattern: str, name: str) -> bool:
    if pattern.startswith("|"):
        return _matches_hash(pattern, name)
    # OpenSSH knows '*' and '?' only; the brackets of [host]:port are literal.
    return fnmatch.fnmatchcase(name.lower(), pattern.lower().replace("[", "[[]"))


def _matches_hash(pattern: str, name: str) -> bool:
    parts = pattern.split("|")
    if len(parts) != 4 or parts[0] or parts[1] != "1":
        return False
    try:
        salt, digest = base64.b64decode(parts[2], validate=True), base64.b64decode(parts[3], validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.lower().encode(), hashlib.sha1).digest(), digest)


def known_entries(entries: Iterable[Entry], name: str) -> list[Entry]:
    """The plain entries (neither revoked nor an authority) of a host."""
    return [entry for entry in entries if not entry.marker and matches(entry.patterns, name)]


def known_types(entries: Sequence[Entry], name: str) -> list[str]:
    """The key types known for a host, to be asked for first: a known key is then not beaten by an unknown one."""
    found = known_entries(entries, name) or known_entries(entries, _without_port(name))
    return list(dict.fromkeys(entry.type for entry in found))


def _without_port(name: str) -> str:
    return name[1:].partition("]:")[0] if name.startswith("[") else name


def check(key: HostKey, entries: Sequence[Entry], shown: str) -> None:
    """Return when `key` is known for its host, else raise a `LinkError`; `shown` is the address for the messages.

    Revoked is fatal wherever it stands. A host that has entries but not this key has changed, whatever the key's type:
    a stranger in the middle could otherwise turn "changed" into "unknown" by offering another type.
    """
    plain = _without_port(key.name)
    for entry in entries:
        if entry.marker != "@revoked" or entry.blob != key.blob:
            continue
        if matches(entry.patterns, key.name) or matches(entry.patterns, plain):
            raise LinkError(
                f"The host key of {shown} is revoked: {entry.place} says so ({key.fingerprint}).",
                "Somebody else may be answering in its place. Ask whoever revoked the key; edgeq will not connect.",
            )
    known = known_entries(entries, key.name)
    # A key known for the plain host serves every port of it, as in OpenSSH; a differing one there says nothing.
    if any(entry.blob == key.blob for entry in known + known_entries(entries, plain)):
        return
    if known:
        old = next((entry for entry in known if entry.type == key.type), known[0])
        raise LinkError(
            f"The host key of {shown} has changed: it shows {key.type} {key.fingerprint}, "
            f"but {old.place} holds {old.type} {fingerprint(old.blob)}.",
            "Somebody may be answering in its place. If the device was set up anew, compare the fingerprint on the "
            f"device, delete that line and run 'edgeq trust {shown}'.",
        )
    raise LinkError(
        f"The host key of {shown} is not known.",
        f"Run 'edgeq trust {shown}' and compare the fingerprint {key.fingerprint} ({key.type}).",
    )


def remember(key: HostKey, *, replace: bool = False, path: Path | None = None) -> Path:
    """Write `key` to `path` (edgeq's own known_hosts) and return that file, whole or not at all, mode 0600.

    A different key for the same host is a `LinkError` unless `replace`, which removes it. Remembering twice changes
    nothing.
    """
    path = path or own_file()
    (refused,) = remember_all([key], replace=replace, path=path)
    if refused:
        raise refused
    return path


def remember_all(keys: Sequence[HostKey], *, replace: bool = False, path: Path | None = None) -> list[LinkError | None]:
    """Like `remember` for many keys in one write. The answer says for each what refuses it; the others are kept."""
    path = path or own_file()
    before = _lines(path) or []
    lines, refusals = before, list[LinkError | None]()
    for key in keys:
        entries = known_entries(_entries(path, lines), key.name)
        refused = None
        if entries and not replace and all(entry.blob != key.blob for entry in entries):
            refused = _other_key(key, entries[0])
        elif all(entry.blob != key.blob for entry in entries) or (replace and len(entries) > 1):
            old = {int(entry.place.rpartition(":")[2]) for entry in entries}
            kept = [line for number, line in enumerate(lines, 1) if number not in old and line.strip()]
            lines = [*kept, key.line]
        refusals.append(refused)
    if lines is not before:
        _write_private(path, "\n".join(lines) + "\n")
    return refusals


def _other_key(key: HostKey, known: Entry) -> LinkError:
    return LinkError(
        f"{known.place} already holds a different key for {key.name}: {known.type} {fingerprint(known.blob)}.",
        "If the device was set up anew, compare the new fingerprint on the device and replace the key explicitly.",
    )


def _write_private(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=path.name, dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written: {error.strerror}.", "EDGEQ_HOME chooses another folder."
        ) from error
