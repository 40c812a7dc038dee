"""The bundle: what ships to one target. A folder whose manifest names every member by digest; see docs/bundle.md."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.errors import ArtifactError, UsageError
from edgeq.interface import Interface

SCHEMA = 1
KIND = "edgeq-bundle"
MANIFEST = "manifest.json"
SIGNATURE, IMAGE_SIGNATURE = "signature.json", "image.signature.json"
"""Beside the manifest once somebody has signed it, or the image of a microcontroller; no members, and no part of the
digest."""
MODEL, IMAGE = "model.tflite", "image.eqi"
"""Members: the model itself, and what a microcontroller gets of it."""
REQUIRED = (MODEL, "interface.json", "golden.cbor")
MOST_MANIFEST_BYTES = 4 << 20
MOST_SIGNATURE_BYTES = 8 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_BESIDE = (MANIFEST, SIGNATURE, IMAGE_SIGNATURE)
_HINT = "Build the bundle again, or copy it again."
if sys.platform == "win32":
    _PLAIN = 0
else:
    _PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True)
class Bundle:
    """A bundle whose members are what its manifest says. `digest` is the SHA-256 of `manifest.json`.

    `envelope` is what `signature.json` holds, read and not judged; None where nobody has signed.
    """

    folder: Path
    manifest: Mapping[str, Any]
    digest: str
    envelope: bytes | None = None

    @property
    def name(self) -> str:
        """The name of the model."""
        return str(self.manifest["name"])

    @property
    def target(self) -> str:
        """The name of the target that it was built for."""
        return str(self.manifest["target"])

    @property
    def files(self) -> dict[str, tuple[str, int]]:
        """(SHA-256, size in bytes) of each member, the manifest not among them."""
        return {name: (str(entry["sha256"]), int(entry["size"])) for name, entry in self.manifest["files"].items()}

    @property
    def device_files(self) -> dict[str, tuple[str, int]]:
        """Those of `files` that the device gets: all of them, unless the manifest names some."""
        files, named = self.files, self.manifest.get("device_files")
        return files if named is None else {name: files[name] for name in named}

    def path(self, member: str) -> Path:
        """Where a member lies; `manifest.json` too."""
        return self.folder / member

    def interface(self) -> Interface:
        """What applications may rely on."""
        return Interface.from_json(json.loads(self.path("interface.json").read_text(encoding="utf-8")))


def canonical_json(document: Mapping[str, Any]) -> bytes:
    """Keys sorted, `indent=1`, UTF-8, one newline at the end."""
    return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def write_bundle(folder: Path, members: Mapping[str, bytes], manifest: Mapping[str, Any]) -> Bundle:
    """Write `members` and the manifest, completed by `files`, whole or not at all; a bundle that was there is replaced.

    `UsageError` where something else lies there.
    """
    for name in members:
        if not _NAME.fullmatch(name) or name in _BESIDE:
            raise UsageError(
                f"'{name}' cannot be the name of a member.", "Use letters, digits, dot, dash and underscore."
            )
    files = {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in members.items()}
    document = canonical_json({**manifest, "kind": KIND, "schema": SCHEMA, "files": files})
    if folder.is_symlink() or (folder.exists() and not _is_bundle(folder)):
        raise UsageError(f"'{folder}' exists and is not a bundle.", "Remove it, or give another output folder (-o).")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".edgeq-", dir=folder.parent) as name:
            _publish(Path(name), folder, {**members, MANIFEST: document})
    except OSError as error:
        raise UsageError(f"The bundle cannot be written to '{folder}': {error}", "Give another folder (-o).") from error
    return Bundle(folder, json.loads(document), hashlib.sha256(document).hexdigest())


def _publish(workspace: Path, folder: Path, members: Mapping[str, bytes]) -> None:
    """Write into `workspace`, then move the whole folder into its place, and the former one out of the way."""
    new = workspace / "new"
    new.mkdir()
    for name, data in members.items():
        with (new / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    former = workspace / "former"
    if folder.exists():
        folder.rename(former)
    try:
        new.rename(folder)
    except OSError:
        if former.exists():
            former.rename(folder)
        raise


def _is_bundle(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle and check all of it; an `ArtifactError` says which member is not what the manifest says."""
    if not folder.is_dir():
        raise UsageError(f"There is no bundle at '{folder}'.", "'edgeq build' writes bundles.")
    document = _read(folder, MANIFEST, MOST_MANIFEST_BYTES)
    manifest = _manifest(folder, document)
    files: dict[str, Any] = manifest["files"]
    extra = sorted({path.name for path in folder.iterdir()} - {*files, *_BESIDE})
    if extra:
        raise ArtifactError(
            f"The bundle '{folder}' holds '{extra[0]}', which its manifest does not name.", "Remove it."
        )
    for name, entry in files.items():
        data = _read(folder, name, entry["size"])
        if len(data) != entry["size"] or hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise ArtifactError(f"'{name}' of the bundle '{folder}' is not what its manifest says.", _HINT)
    return Bundle(folder, manifest, hashlib.sha256(document).hexdigest(), _envelope(folder))


def _envelope(folder: Path) -> bytes | None:
    path = folder / SIGNATURE
    return _read(folder, SIGNATURE, MOST_SIGNATURE_BYTES) if path.exists() or path.is_symlink() else None


def _manifest(folder: Path, document: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"The manifest of the bundle '{folder}' is damaged: {error}.", _HINT) from error
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND or not isinstance(manifest.get("schema"), int):
        raise ArtifactError(f"'{folder / MANIFEST}' is not the manifest of a bundle.", "'edgeq build' writes bundles.")
    if manifest["schema"] > SCHEMA:
        raise ArtifactError(
            f"The bundle '{folder}' has schema {manifest['schema']}; this edgeq knows {SCHEMA}.", "Upgrade edgeq."
        )
    files = manifest.get("files")
    texts = all(isinstance(manifest.get(key), str) for key in ("name", "target", "arch", "mode"))
    if not texts or not isinstance(files, dict) or not all(_entry(name, entry) for name, entry in files.items()):
        raise ArtifactError(f"The manifest of the bundle '{folder}' breaks the schema.", _HINT)
    named = manifest.get("device_files", [])
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ArtifactError(f"The manifest of the bundle '{folder}' breaks the schema.", _HINT)
    for name in (*REQUIRED, *named):
        if name not in files:
            raise ArtifactError(f"The manifest of the bundle '{folder}' does not name '{name}'.", _HINT)
    return manifest


def _entry(name: str, entry: Any) -> bool:
    if not _NAME.fullmatch(name) or name in _BESIDE or not isinstance(entry, dict):
        return False
    sha256, size = entry.get("sha256"), entry.get("size")
    whole = isinstance(size, int) and not isinstance(size, bool) and size >= 0
    return whole and isinstance(sha256, str) and re.fullmatch(r"[0-9a-f]{64}", sha256) is not None


def _read(folder: Path, name: str, most: int) -> bytes:
    """At most `most` + 1 bytes of a member; links and devices are not followed."""
    path = folder / name
    if path.is_symlink():
        raise ArtifactError(f"'{name}' of the bundle '{folder}' is a symbolic link.", _HINT)
    try:
        descriptor = os.open(path, os.O_RDONLY | _PLAIN)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ArtifactError(f"'{name}' of the bundle '{folder}' is not a plain file.", _HINT)
            data = file.read(most + 1)
    except OSError as error:
        why = f"cannot be read: {error.strerror}" if path.exists() else "is missing"
        raise ArtifactError(f"'{name}' of the bundle '{folder}' {why}.", _HINT) from error
    if len(data) > most:
        than = "it may be" if name in _BESIDE else "its manifest says"
        raise ArtifactError(f"'{name}' of the bundle '{folder}' is larger than {than}.", _HINT)
    return data
