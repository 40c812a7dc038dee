"""`.eqb`: a bundle as one file, for devices that no host reaches: a zip in which nothing is compressed.

::

    manifest.json               first, then
    signature.json              where somebody has signed
    model.tflite, ...           every member that the manifest names
    wheels/<file>               runtime wheels that the manifest names, as many as were packed

Stock tools can list and test it. Here it is read member by member, by name, at the place that its directory says;
nothing is ever extracted. One entry follows the other without a gap, and every length is held to every other one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MANIFEST, SIGNATURE, WHEELS = "manifest.json", "signature.json", "wheels/"
KIND, SCHEMA = "edgeq-bundle", 1
MOST_ENTRIES, MOST_DIRECTORY_BYTES = 1024, 1 << 20
MOST_MANIFEST_BYTES, MOST_SIGNATURE_BYTES = 4 << 20, 1 << 20
PIECE_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_WHEEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!-]{0,199}\.whl")
_PYTHON = re.compile(r"cp[0-9]{2,4}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_UTF8 = 0x800


class EqbError(Exception):
    """The file is not one, or is damaged; one clause. `newer` where it is of a later schema."""

    def __init__(self, reason: str, newer: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.newer = reason, newer


class Member(NamedTuple):
    """Where the bytes of one member lie, and what they are promised to be."""

    name: str
    at: int
    size: int
    sha256: str


class Eqb:
    """An open file; a context manager. `members` holds what the manifest names, wheels by `wheels/<file>`."""

    def __init__(self, path: Path) -> None:
        """`OSError` where it cannot be read, `EqbError` where it is not what it should be."""
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            facts = os.fstat(self._fd)
            if not stat.S_ISREG(facts.st_mode):
                raise EqbError("it is not a plain file")
            places = _directory(self._fd, facts.st_size)
            self.manifest_bytes = self._small(places, MANIFEST, MOST_MANIFEST_BYTES)
            self.manifest = _manifest(self.manifest_bytes)
            self.digest = hashlib.sha256(self.manifest_bytes).hexdigest()
            signed = SIGNATURE in places
            self.envelope = self._small(places, SIGNATURE, MOST_SIGNATURE_BYTES) if signed else None
            self.members = _members(self.manifest, places)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Eqb:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    @property
    def name(self) -> str:
        """The name of the model."""
        return str(self.manifest["name"])

    def read(self, member: Member, offset: int, count: int) -> bytes:
        """At most `count` bytes of a member."""
        return _exactly(self._fd, member.at + offset, max(0, min(count, member.size - offset)))

    def check(self) -> None:
        """Hash every member; `EqbError` names the first that is not what the manifest says."""
        for member in self.members.values():
            digest = hashlib.sha256()
            for offset in range(0, member.size, PIECE_BYTES):
                digest.update(self.read(member, offset, PIECE_BYTES))
            if digest.hexdigest() != member.sha256:
                raise EqbError(f"'{member.name}' is not what its manifest says")

    def json(self, name: str) -> Any:
        """A small member as a document, checked by its digest."""
        member = self.members[name]
        data = self.read(member, 0, MOST_MANIFEST_BYTES)
        if hashlib.sha256(data).hexdigest() != member.sha256:
            raise EqbError(f"'{name}' is not what its manifest says")
        return _json(data, name)

    def _small(self, places: dict[str, tuple[int, int]], name: str, most: int) -> bytes:
        if name not in places:
            raise EqbError(f"it holds no {name}")
        at, size = places[name]
        if size > most:
            raise EqbError(f"its {name} has {size} bytes")
        return _exactly(self._fd, at, size)


def _directory(fd: int, length: int) -> dict[str, tuple[int, int]]:
    """Name -> (place, size) of every entry, each where the one before it ends."""
    if length < _END.size:
        raise EqbError("it is cut short")
    end = _END.unpack(_exactly(fd, length - _END.size, _END.size))
    magic, disk, disk0, here, entries, size, start, comment = end
    if magic != b"PK\5\6" or disk or disk0 or comment or here != entries:
        raise EqbError("it is cut short, or not a file that 'edgeq pack' wrote")
    if entries > MOST_ENTRIES or size > MOST_DIRECTORY_BYTES or start + size + _END.size != length:
        raise EqbError("its directory is not where it says")
    data, found, at = _exactly(fd, start, size), {}, 0  # type: bytes, dict[str, tuple[int, int]], int
    place = 0
    for _ in range(entries):
        if at + _ENTRY.size > size:
            raise EqbError("its directory is cut short")
        name, after, local, stored = _entry(data, at)
        if local != place or name in found:
            raise EqbError("its entries overlap, or leave a gap")
        begins = local + _LOCAL.size + len(name)
        place = begins + stored
        if place > start:
            raise EqbError(f"'{name[:80]}' is cut short")
        _check_local(_exactly(fd, local, _LOCAL.size + len(name)), name, stored)
        found[name], at = (begins, stored), after
    if at != size or place != start:
        raise EqbError("its directory does not describe all of it")
    return found


def _entry(data: bytes, at: int) -> tuple[str, int, int, int]:
    """One entry of the directory: name, where the next one begins, place of its local header, size."""
    fields = _ENTRY.unpack_from(data, at)
    magic, flags, method = fields[0], fields[3], fields[4]
    packed, size, named, extra, comment, disk = fields[8], fields[9], *fields[10:14]
    raw = data[at + _ENTRY.size : at + _ENTRY.size + named]
    if magic != b"PK\1\2" or len(raw) != named:
        raise EqbError("its directory is damaged")
    if flags & ~_UTF8 or method or packed != size or extra or comment or disk:
        raise EqbError("an entry is compressed, encrypted or otherwise not as 'edgeq pack' writes it")
    try:
        name = raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise EqbError("an entry has a forbidden name") from error
    return name, at + _ENTRY.size + named, fields[16], size


def _check_local(data: bytes, name: str, size: int) -> None:
    fields = _LOCAL.unpack_from(data)
    same = (fields[0], fields[3], fields[7], fields[8], fields[9], fields[10]) == (
        *(b"PK\3\4", 0),
        *(size, size, len(name), 0),
    )
    if not same or fields[2] & ~_UTF8 or data[_LOCAL.size :] != name.encode():
        raise EqbError(f"'{name[:80]}' is not where the directory says")


def _manifest(data: bytes) -> dict[str, Any]:
    document = _json(data, MANIFEST)
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema is None or document.get("kind") != KIND or not isinstance(schema, int):
        raise EqbError("its manifest is not that of a bundle")
    if schema > SCHEMA:
        raise EqbError(f"its bundle has schema {schema}; this agent knows {SCHEMA}", newer=True)
    files, runtime, golden = (document.get(key) for key in ("files", "runtime", "golden"))
    texts = all(isinstance(document.get(key), str) for key in ("name", "target", "arch"))
    tables = isinstance(files, dict) and isinstance(runtime, dict) and isinstance(golden, dict)
    if not texts or not tables or not _names_runtime(runtime):
        raise EqbError("its manifest breaks the schema")
    named = all(_NAME.fullmatch(name) and name not in (MANIFEST, SIGNATURE) for name in files)
    wheels = runtime["wheels"]
    if not named or not all(map(_is_wheel, wheels)) or not all(map(_promised, (*files.values(), *wheels))):
        raise EqbError("its manifest breaks the schema")
    return dict(document)


def _names_runtime(runtime: dict[str, Any]) -> bool:
    texts = all(isinstance(runtime.get(key), str) for key in ("name", "version"))
    return texts and isinstance(runtime.get("wheels"), list)


def _is_wheel(entry: Any) -> bool:
    """Whether it says what a device is held to before it takes one."""
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("name", "version", "glibc")):
        return False
    return all(form.fullmatch(str(entry.get(key))) for key, form in (("file", _WHEEL), ("python", _PYTHON)))


def _promised(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    size, sha256 = entry.get("size"), entry.get("sha256")
    whole = isinstance(size, int) and not isinstance(size, bool) and size >= 0
    return whole and isinstance(sha256, str) and _SHA256.fullmatch(sha256) is not None


def _members(manifest: dict[str, Any], places: dict[str, tuple[int, int]]) -> dict[str, Member]:
    """Every member that the manifest names, and of its wheels those that are here; nothing else may be."""
    promised = {**manifest["files"], **{WHEELS + wheel["file"]: wheel for wheel in manifest["runtime"]["wheels"]}}
    for name in places:
        if name not in promised and name not in (MANIFEST, SIGNATURE):
            raise EqbError(f"it holds '{name[:80]}', which its manifest does not name")
    found = {}
    for name, entry in promised.items():
        if name not in places:
            if name.startswith(WHEELS):
                continue
            raise EqbError(f"it lacks '{name}', which its manifest names")
        at, size = places[name]
        if size != entry["size"]:
            raise EqbError(f"'{name}' has {size} bytes; its manifest says {entry['size']}")
        found[name] = Member(name, at, size, entry["sha256"])
    return found


def _json(data: bytes, name: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise EqbError(f"its {name} is damaged: {str(error)[:80]}") from error


def _exactly(fd: int, at: int, count: int) -> bytes:
    return b"".join(_pieces(fd, at, count))


def _pieces(fd: int, at: int, count: int) -> Iterator[bytes]:
    while count:
        piece = os.pread(fd, min(count, PIECE_BYTES), at)
        if not piece:
            raise EqbError("it is cut short")
        yield piece
        at, count = at + len(piece), count - len(piece)
