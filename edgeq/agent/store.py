"""The device's store: content-addressed blobs, releases, and the one state file that says what serves.

::

    ROOT/blobs/<sha256>          whatever arrived and proved to be what it was promised to be
    ROOT/incoming/<sha256>.part  on its way; resumed from its length
    ROOT/releases/<n>/           members of one bundle under their names, and release.json
    ROOT/runtimes/<key>/         unpacked wheels
    ROOT/state                   replaced by rename; everything else follows from it
    ROOT/current                 symbolic link derived from the state, for applications

Order of every change: write, fsync files, fsync folder, rename, fsync, then the state, then acknowledge; prune after.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeq.agent.errors import Refused
from edgeq.agent.files import replace_json, replace_link, sha256_of, sync_file, sync_folder
from edgeq.protocol.status import Status

SCHEMA = 1
MAX_BLOB_BYTES = 1 << 32
MARGIN_BYTES = 4 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


@dataclass
class State:
    """What serves: the trial if there is one, else `current`. A trial that ends badly leaves `current` as it was.

    `releases` maps n to {"sha": manifest digest, "state": staged | trial | confirmed | bad}; n only grows.
    """

    next: int = 1
    current: int | None = None
    previous: int | None = None
    trial: int | None = None
    starts: int = 0
    releases: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def serving(self) -> int | None:
        """The release that applications get."""
        return self.current if self.trial is None else self.trial

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **vars(self), "releases": {str(n): entry for n, entry in self.releases.items()}}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> State:
        if data.pop("schema") > SCHEMA:
            raise Refused(Status.NEWER, "the store was written by a newer agent; deploy with a newer edgeq")
        data["releases"] = {int(n): entry for n, entry in data["releases"].items()}
        return cls(**data)


class Store:
    """One device's store. The caller serialises every method that changes something."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("blobs", "incoming", "releases", "runtimes"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self.state = self._read_state()
        self._incoming: tuple[str, int, Any] | None = None

    def _read_state(self) -> State:
        try:
            return State.from_json(json.loads((self.root / "state").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return State()
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(Status.IO, f"the state file {self.root / 'state'} is damaged: {error!r}") from error

    def save(self) -> None:
        """Make the present state the durable one, and derive `current` from it."""
        replace_json(self.root / "state", self.state.to_json())
        link = self.root / "current"
        serving = self.state.serving
        if serving is None:
            link.unlink(missing_ok=True)
        elif not link.is_symlink() or str(link.readlink()) != f"releases/{serving}":
            replace_link(link, f"releases/{serving}")

    # blobs

    def blob(self, sha: str) -> Path:
        """Where the blob is, or would be. `sha` is checked to be one."""
        if not re.fullmatch(r"[0-9a-f]{64}", sha):
            raise Refused(Status.INVALID, "a blob is named by 64 hexadecimal digits")
        return self.root / "blobs" / sha

    def wanted(self, sha: str) -> int | None:
        """The offset that is wanted next of this blob, or None where it is complete."""
        if self.blob(sha).exists():
            return None
        part = self.root / "incoming" / f"{sha}.part"
        return part.stat().st_size if part.exists() else 0

    def put(self, sha: str, offset: int, length: int, data: bytes) -> int:
        """Take the chunk if it is the wanted one; the answer is the offset wanted next (`length` when complete)."""
        if not 0 < length <= MAX_BLOB_BYTES or not 0 <= offset <= offset + len(data) <= length:
            raise Refused(Status.INVALID, f"a chunk of {len(data)} bytes at {offset} of {length}")
        if self._incoming is None or self._incoming[0] != sha:
            if self.wanted(sha) is None:
                return length
            self._open_part(sha, length)
        assert self._incoming is not None
        _, have, (file, digest) = self._incoming
        if offset != have:
            return have
        try:
            _write_all(file, data)
        except OSError:
            self.close_part()
            (self.root / "incoming" / f"{sha}.part").unlink(missing_ok=True)
            raise
        digest.update(data)
        self._incoming = (sha, have + len(data), (file, digest))
        if have + len(data) == length:
            self._finish_part(sha)
        return have + len(data)

    def _open_part(self, sha: str, length: int) -> None:
        self.close_part()
        part = self.root / "incoming" / f"{sha}.part"
        have = part.stat().st_size if part.exists() else 0
        if have > length:
            part.unlink()
            have = 0
        self.need_space(length - have)
        digest = hashlib.sha256()
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        file = os.fdopen(fd, "r+b", buffering=0)
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
        self._incoming = (sha, have, (file, digest))

    def _finish_part(self, sha: str) -> None:
        assert self._incoming is not None
        file, digest = self._incoming[2]
        part = self.root / "incoming" / f"{sha}.part"
        try:
            if digest.hexdigest() != sha:
                part.unlink()
                raise Refused(Status.DIGEST, f"what arrived has SHA-256 {digest.hexdigest()}, not {sha}")
            os.fsync(file.fileno())
        finally:
            self.close_part()
        part.replace(self.blob(sha))
        sync_folder(self.root / "blobs")

    def close_part(self) -> None:
        """Let go of the blob that is on its way; it can be resumed."""
        if self._incoming is not None:
            self._incoming[2][0].close()
            self._incoming = None

    def need_space(self, size: int) -> None:
        """Refuse before anything is written if `size` bytes and a margin do not fit."""
        free = shutil.disk_usage(self.root).free
        if free < size + MARGIN_BYTES:
            raise Refused(Status.NO_SPACE, f"{size} bytes are needed (and {MARGIN_BYTES} of margin); {free} are free")

    def take(self, sha: str) -> Path:
        """A blob that is about to be used, hashed again: a damaged one is dropped, so that it can be sent anew."""
        path = self.blob(sha)
        if not path.exists():
            raise Refused(Status.NOT_FOUND, f"blob {sha[:12]} has not arrived")
        if sha256_of(path) != sha:
            path.unlink()
            raise Refused(
                Status.DIGEST, f"blob {sha[:12]} was damaged on the device and has been dropped; send it again"
            )
        return path

    # releases

    def release(self, n: int) -> Path:
        """The folder of release `n`, which must exist."""
        if n not in self.state.releases:
            raise Refused(Status.NOT_FOUND, f"there is no release {n}")
        return self.root / "releases" / str(n)

    def manifest(self, sha: str) -> dict[str, Any]:
        """The manifest with this digest, checked as far as the device relies on it."""
        return self._parse(self.take(sha).read_bytes())

    def release_manifest(self, n: int) -> dict[str, Any]:
        """The manifest of release `n`, hashed again."""
        path = self.release(n) / "manifest.json"
        if not path.exists() or sha256_of(path) != self.state.releases[n]["sha"]:
            raise Refused(Status.DIGEST, f"release {n}: manifest.json is not what was installed")
        return self._parse(path.read_bytes())

    def _parse(self, data: bytes) -> dict[str, Any]:
        try:
            manifest: dict[str, Any] = json.loads(data)
            if manifest["schema"] > 1:
                raise Refused(Status.NEWER, f"the bundle has schema {manifest['schema']}; this agent knows 1")
            files = manifest["files"]
            names_ok = all(_NAME.fullmatch(name) and name != "release.json" for name in files)
            if manifest["kind"] != "edgeq-bundle" or not names_ok:
                raise ValueError("it is not a bundle or a member has a forbidden name")
            for entry in (*files.values(), *manifest["runtime"]["wheels"]):
                self.blob(entry["sha256"])
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(Status.INVALID, f"the manifest is damaged: {error!r}") from error
        return manifest

    def add_release(self, sha: str, manifest: dict[str, Any], facts: dict[str, Any]) -> int:
        """Lay out a release whose blobs are all here; durable, state `staged`."""
        n = self.state.next
        part = self.root / "releases" / f"{n}.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(self.root / "releases" / str(n), ignore_errors=True)
        part.mkdir()
        for name, entry in manifest["files"].items():
            self._lay(self.take(entry["sha256"]), part / name)
        self._lay(self.blob(sha), part / "manifest.json")
        replace_json(part / "release.json", facts)
        sync_folder(part)
        part.replace(self.root / "releases" / str(n))
        sync_folder(self.root / "releases")
        self.state.next = n + 1
        self.state.releases[n] = {"sha": sha, "state": "staged"}
        self.save()
        return n

    def _lay(self, blob: Path, path: Path) -> None:
        try:
            os.link(blob, path)
        except OSError:  # a file system without hard links, such as FAT
            shutil.copyfile(blob, path)
            sync_file(path)

    def check_release(self, n: int) -> None:
        """Hash every member of release `n` again; `Refused` names the first that differs."""
        folder = self.release(n)
        for name, entry in self.release_manifest(n)["files"].items():
            try:
                damaged = sha256_of(folder / name) != entry["sha256"]
            except FileNotFoundError:
                damaged = True
            if damaged:
                raise Refused(Status.DIGEST, f"release {n}: {name} is not what was installed")

    def recover(self) -> None:
        """After a start: put away what a crash left half done, and derive `current` again."""
        for path in (self.root / "releases").iterdir():
            if not path.name.isdigit() or int(path.name) not in self.state.releases:
                shutil.rmtree(path, ignore_errors=True)
        for path in (self.root / "runtimes").glob("*.part"):
            shutil.rmtree(path, ignore_errors=True)
        if self.state.releases or self.state.next > 1:
            self.save()

    def prune(self, keep: int) -> None:
        """Forget all but the newest `keep` releases and those in use; drop blobs that nothing refers to."""
        state = self.state
        used = {state.current, state.previous, state.trial, *sorted(state.releases)[-keep:]}
        dropped = [n for n in state.releases if n not in used]
        for n in dropped:
            del state.releases[n]
        if dropped:
            self.save()
        for n in dropped:
            shutil.rmtree(self.root / "releases" / str(n), ignore_errors=True)
        try:
            manifests = [self.release_manifest(n) for n in state.releases]
        except Refused:
            return  # one is damaged, so nobody knows what it refers to
        kept = {entry["sha"] for entry in state.releases.values()}
        for manifest in manifests:
            kept |= {item["sha256"] for item in (*manifest["files"].values(), *manifest["runtime"]["wheels"])}
        for blob in (self.root / "blobs").iterdir():
            if blob.name not in kept:
                blob.unlink()
        runtimes = {runtime_key(self.facts(n)["wheels"]) for n in state.releases}
        for folder in (self.root / "runtimes").iterdir():
            if folder.name not in runtimes:
                shutil.rmtree(folder, ignore_errors=True)

    def facts(self, n: int) -> dict[str, Any]:
        """What was decided when release `n` was laid out: `wheels`, the digests of its runtime's."""
        facts: dict[str, Any] = json.loads((self.release(n) / "release.json").read_text(encoding="utf-8"))
        return facts


def runtime_key(wheels: Sequence[str]) -> str:
    """The name of the folder in which these wheels are unpacked together."""
    return hashlib.sha256("\n".join(sorted(wheels)).encode()).hexdigest()[:16]


def _write_all(file: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
