"""The device's store: releases made of blobs, and the one state file that says what serves.

::

    ROOT/blobs/, incoming/       `edgeq.agent.blobs`
    ROOT/releases/<n>/           members of one bundle under their names, and release.json
    ROOT/runtimes/<key>/         unpacked wheels
    ROOT/state                   replaced by rename; everything else follows from it
    ROOT/current, runtime        symbolic links derived from the state, for applications

Order of every change: write, fsync files, fsync folder, rename, fsync, then the state, then acknowledge; prune after.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from edgeq.agent.blobs import Blobs
from edgeq.agent.errors import Refused
from edgeq.agent.files import replace_json, replace_link, sha256_of, sync_file, sync_folder
from edgeq.protocol.status import Status

SCHEMA = 1
SIGNATURE = "signature.json"
"""The envelope with which a release was accepted; a file of the device, not a member."""
_OWN = ("release.json", "manifest.json", SIGNATURE)
KEEP = 5
MOST_MANIFEST_BYTES, MOST_FILES = 4 << 20, 256
"""Of a bundle that is laid out: it comes from outside, and is read and hashed whole."""
LONGEST_TEXT = 200
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


@dataclass
class State:
    """What serves: the trial if there is one, else `current`. A trial that ends badly leaves `current` as it was.

    `releases` maps n to {"sha": manifest digest, "state": staged | trial | confirmed | bad, "why"?}; n only grows.
    `starts` counts the agent's starts during the trial. `told` is the release that applications were last told of, by
    `on_activate`. `security_version` is the highest one that was confirmed here.
    """

    next: int = 1
    current: int | None = None
    previous: int | None = None
    trial: int | None = None
    starts: int = 0
    told: int | None = None
    security_version: int = 0
    releases: dict[int, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    """What a later agent of the same schema wrote and this one does not know: it is written again as it was."""

    @property
    def serving(self) -> int | None:
        """The release that applications get."""
        return self.current if self.trial is None else self.trial

    def to_json(self) -> dict[str, Any]:
        known = {name: value for name, value in vars(self).items() if name != "more"}
        releases = {str(n): entry for n, entry in self.releases.items()}
        return {**self.more, "schema": SCHEMA, **known, "releases": releases}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> State:
        if data.pop("schema") > SCHEMA:
            raise Refused(Status.NEWER, "the store was written by a newer agent; deploy with a newer edgeq")
        data["releases"] = {int(n): entry for n, entry in data["releases"].items()}
        names = {item.name for item in fields(cls)} - {"more"}
        more = {name: data.pop(name) for name in list(data) if name not in names}
        return cls(**data, more=more)


class Store:
    """One device's store. The caller serialises every method that changes something."""

    def __init__(self, root: Path) -> None:
        self.root = root
        fresh = not (root / "state").exists()
        for name in ("releases", "runtimes"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self.blobs = Blobs(root)
        if fresh:
            _sync_folders(root)
        self.state = self._read_state()
        self._unsure = False

    def _read_state(self) -> State:
        try:
            return State.from_json(json.loads((self.root / "state").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return State()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Refused(Status.IO, f"the state file {self.root / 'state'} is damaged: {error!r}") from error

    def reload(self) -> None:
        """After a failure of the storage: take what the state file says now; `settle` makes it durable."""
        self._unsure = True
        self.state = self._read_state()

    def assume(self, state: State) -> None:
        """Go on with a state that cannot be written now; `settle` does it later."""
        self._unsure, self.state = True, state
        with contextlib.suppress(OSError):
            self.derive()

    def settle(self) -> None:
        """Before something is acknowledged that was there already: write again what a failure left in doubt."""
        if self._unsure:
            self.save()

    @contextmanager
    def change(self) -> Iterator[State]:
        """A copy of the state to change: it holds, and is told to anybody, once it is durable."""
        changed = copy.deepcopy(self.state)
        yield changed
        self.save(changed)

    def save(self, state: State | None = None) -> None:
        """Make this state (or the present one) the durable one, and derive `current` and `runtime` from it."""
        state = state or self.state
        replace_json(self.root / "state", state.to_json())
        self.state = state
        self.derive()
        self._unsure = False

    def derive(self) -> None:
        """Let the links `current` and `runtime`, by which applications find a release, follow the state."""
        serving = self.state.serving
        facts: dict[str, Any] = {"wheels": []}
        if serving is not None:
            with contextlib.suppress(Refused):  # It still serves until its model cannot be loaded, which says so.
                facts = self.facts(serving)
        pushed = f"runtimes/{runtime_key(facts['wheels'])}" if facts["wheels"] else ""
        try:
            self._link("current", "" if serving is None else f"releases/{serving}")
        finally:  # One that fails does not keep the other.
            self._link("runtime", pushed or facts.get("system") or "")

    @property
    def current(self) -> int | None:
        """The release that the link `current` leads to."""
        link = self.root / "current"
        name = link.readlink().name if link.is_symlink() else ""
        return int(name) if name.isdigit() else None

    def _link(self, name: str, to: str) -> None:
        """A stable path for applications; none where `to` is empty."""
        link = self.root / name
        if not to:
            link.unlink(missing_ok=True)
        elif not link.is_symlink() or str(link.readlink()) != to:
            replace_link(link, to)

    def release(self, n: int) -> Path:
        """The folder of release `n`, which must exist."""
        if n not in self.state.releases:
            raise Refused(Status.NOT_FOUND, f"there is no release {n}")
        return self.root / "releases" / str(n)

    def manifest(self, sha: str) -> dict[str, Any]:
        """The manifest with this digest, checked as far as the device relies on it, and as far as answers repeat it."""
        path = self.blobs.take(sha)
        size = path.stat().st_size
        if size > MOST_MANIFEST_BYTES:
            raise Refused(Status.INVALID, f"the manifest has {size} bytes; {MOST_MANIFEST_BYTES} are the most")
        manifest = self._parse(path.read_bytes())
        _check_sizes(manifest)
        return manifest

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
            names_ok = all(_NAME.fullmatch(name) and name.lower() not in _OWN for name in files)
            if manifest["kind"] != "edgeq-bundle" or not names_ok:
                raise ValueError("it is not a bundle or a member has a forbidden name")
            texts = (manifest["name"], manifest["arch"], manifest["runtime"]["name"], manifest["runtime"]["version"])
            if not all(isinstance(text, str) for text in texts):
                raise ValueError("name, arch and runtime are no texts")
            for entry in (*files.values(), *manifest["runtime"]["wheels"]):
                self.blobs.path(entry["sha256"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Refused(Status.INVALID, f"the manifest is damaged: {error!r}"[:300]) from error
        return manifest

    def add_release(
        self, sha: str, manifest: dict[str, Any], facts: dict[str, Any], envelope: bytes | None = None
    ) -> int:
        """Lay out a release whose blobs are all here; durable, state `staged`. `envelope` is kept as signature.json."""
        n = self.state.next
        part = self.root / "releases" / f"{n}.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(self.root / "releases" / str(n), ignore_errors=True)
        part.mkdir()
        for name, entry in manifest["files"].items():
            self._lay(self.blobs.take(entry["sha256"]), part / name)
        self._lay(self.blobs.path(sha), part / "manifest.json")
        if envelope is not None:
            self._write(part / SIGNATURE, envelope)
        replace_json(part / "release.json", facts)
        sync_folder(part)
        part.replace(self.root / "releases" / str(n))
        sync_folder(self.root / "releases")
        with self.change() as state:
            state.next = n + 1
            state.releases[n] = {"sha": sha, "state": "staged"}
        return n

    def envelope(self, n: int) -> bytes | None:
        """The accepted signature of release `n`; None where it was staged without one."""
        try:
            return (self.release(n) / SIGNATURE).read_bytes()
        except FileNotFoundError:
            return None

    def sign_release(self, n: int, envelope: bytes) -> None:
        """Keep another accepted signature of release `n`."""
        part = self.release(n) / (SIGNATURE + ".part")
        self._write(part, envelope)
        part.replace(self.release(n) / SIGNATURE)
        sync_folder(self.release(n))

    def _write(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        sync_file(path)

    def _lay(self, blob: Path, path: Path) -> None:
        try:
            os.link(blob, path)
        except OSError:  # a file system without hard links, such as FAT
            self.blobs.need_space(blob.stat().st_size)
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
            try:
                self.save()
            except OSError as error:
                # A full disk changes nothing of what serves; `settle` comes back to it.
                self._unsure = True
                print(f"after the start: {error}", file=sys.stderr, flush=True)

    @property
    def keep(self) -> int:
        """How many releases stay: EDGEQ_KEEP, or `keep` in ROOT/settings.json; never less than one."""
        said: Any = os.environ.get("EDGEQ_KEEP", "")
        try:
            if not said:
                said = json.loads((self.root / "settings.json").read_text(encoding="utf-8"))["keep"]
            return max(1, int(said))
        except (OSError, ValueError, KeyError, TypeError):
            return KEEP

    def prune(self) -> None:
        """Forget all but the newest releases and those in use; drop blobs that nothing refers to."""
        state = self.state
        used = {state.current, state.previous, state.trial, *sorted(state.releases)[-self.keep :]}
        dropped = [n for n in state.releases if n not in used]
        if dropped:
            with self.change() as changed:
                for n in dropped:
                    del changed.releases[n]
        for n in dropped:
            shutil.rmtree(self.root / "releases" / str(n), ignore_errors=True)
        try:
            manifests = [self.release_manifest(n) for n in self.state.releases]
            runtimes = {runtime_key(self.facts(n)["wheels"]) for n in self.state.releases}
        except Refused:
            return  # one is damaged, so nobody knows what it refers to
        kept = {entry["sha"] for entry in self.state.releases.values()}
        for manifest in manifests:
            kept |= {item["sha256"] for item in (*manifest["files"].values(), *manifest["runtime"]["wheels"])}
        self.blobs.keep(kept)
        for folder in (self.root / "runtimes").iterdir():
            if folder.name not in runtimes:
                shutil.rmtree(folder, ignore_errors=True)

    def facts(self, n: int) -> dict[str, Any]:
        """What was decided when release `n` was laid out: `wheels`, the digests of its runtime's; `system`, the folder
        on this device that holds it, "" for Python's own packages, None or absent where neither is meant. DIGEST where
        that cannot be read."""
        try:
            facts: dict[str, Any] = json.loads((self.release(n) / "release.json").read_text(encoding="utf-8"))
            if not all(isinstance(sha, str) for sha in facts["wheels"]):
                raise ValueError("wheels")
        except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
            raise Refused(Status.DIGEST, f"release {n}: release.json is damaged: {error!r}"[:300]) from error
        return facts


def _check_sizes(manifest: dict[str, Any]) -> None:
    """INVALID for what is sound JSON and yet nothing to lay out: too many files, two that are one on some file
    systems, texts that no answer can repeat."""
    files, runtime = manifest["files"], manifest["runtime"]
    if len(files) > MOST_FILES:
        raise Refused(Status.INVALID, f"the bundle has {len(files)} files; {MOST_FILES} are the most")
    if len({name.lower() for name in files}) != len(files):
        raise Refused(Status.INVALID, "two files of the bundle differ in nothing but capitals")
    if any(name.lower().endswith(".part") for name in files):
        raise Refused(
            Status.INVALID, "a file of the bundle has a name that ends in .part, which the device uses itself"
        )
    for text in (manifest["name"], manifest["arch"], runtime["name"], runtime["version"]):
        if len(text) > LONGEST_TEXT or not text.isprintable():
            raise Refused(
                Status.INVALID, f"a text of the manifest is not one line of {LONGEST_TEXT} characters at most"
            )


def _sync_folders(root: Path) -> None:
    """Make the folders of a new store durable, as far up as this user may: what is in them is never lost alone."""
    sync_folder(root)
    for folder in root.absolute().parents:
        with contextlib.suppress(OSError):
            sync_folder(folder)


def runtime_key(wheels: Sequence[str]) -> str:
    """The name of the folder in which these wheels are unpacked together."""
    return hashlib.sha256("\n".join(sorted(wheels)).encode()).hexdigest()[:16]
