"""The verb `pack`: a bundle, its signatures and its runtime wheels as one file, which devices apply without a host."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeq.agent.eqb import MANIFEST, SIGNATURE, WHEELS
from edgeq.bundle import Bundle
from edgeq.errors import UsageError
from edgeq.runtimes import Wheel, fetch, read_wheel

SUFFIX = ".eqb"
MOST_BYTES = (1 << 32) - (1 << 24)
"""What a zip without its extension for large files holds."""


@dataclass(frozen=True)
class Packed:
    """What was written; `wheels` are the runtime wheels in it."""

    path: Path
    sha256: str
    size_bytes: int
    digest: str
    signed: bool
    wheels: tuple[str, ...]


def pack(
    bundle: Bundle,
    out: Path | None = None,
    *,
    wheels: bool = True,
    python: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> Packed:
    """Write the bundle as one file, `<folder>.eqb` beside it unless `out` says where; the same bundle gives the same
    bytes.

    It holds every runtime wheel that the manifest names, of one Python ("3.11") where `python` says so, none without
    `wheels`. `UsageError` for a bundle of a microcontroller, and where the file cannot be written.
    """
    if "device_files" in bundle.manifest:
        raise UsageError(
            f"The bundle '{bundle.folder}' is for {bundle.target}, a microcontroller, which applies no files.",
            "'edgeq deploy' sends it; its image can also go into a firmware (docs/firmware.md).",
        )
    path = out or bundle.folder.resolve().parent / f"{bundle.folder.resolve().name}{SUFFIX}"
    chosen = _chosen(bundle, python) if wheels else []
    members = _members(bundle, chosen, progress)
    if sum(file.stat().st_size for _, file in members) > MOST_BYTES:
        raise UsageError("The bundle and its wheels are larger than 4 GiB.", "Give --python, or --no-wheels.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=".edgeq-", dir=path.parent, delete=False) as part:
            try:
                _write(part, members)
                part.flush()
                os.fsync(part.fileno())
                Path(part.name).replace(path)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
        path.chmod(0o644)
    except OSError as error:
        raise UsageError(
            f"'{path}' cannot be written: {error.strerror or error}.", "Give another file (-o)."
        ) from error
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
    names = tuple(wheel.file for wheel in chosen)
    size, signed = path.stat().st_size, bundle.envelope is not None
    return Packed(path, digest.hexdigest(), size, bundle.digest, signed, names)


def _chosen(bundle: Bundle, python: str) -> list[Wheel]:
    entries = [read_wheel(entry) for entry in bundle.manifest["runtime"]["wheels"]]
    tag = f"cp{python.replace('.', '')}"
    found = [wheel for wheel in entries if not python or wheel.python == tag]
    if entries and not found:
        known = sorted({f"{wheel.python[2]}.{wheel.python[3:]}" for wheel in entries})
        raise UsageError(f"The bundle names no wheels for Python {python}.", f"It has {', '.join(known)}.")
    return found


def _members(bundle: Bundle, wheels: list[Wheel], progress: Callable[[str], None]) -> list[tuple[str, Path]]:
    """Names in the file and where their bytes are, in the order in which they are written."""
    found = [(MANIFEST, bundle.path(MANIFEST))]
    found += [(SIGNATURE, bundle.path(SIGNATURE))] * (bundle.envelope is not None)
    found += [(name, bundle.path(name)) for name in sorted(bundle.files)]
    return found + [(WHEELS + wheel.file, fetch(wheel, progress=progress)) for wheel in wheels]


def _write(file: object, members: list[tuple[str, Path]]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:  # type: ignore[call-overload]
        for name, path in members:
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, path.read_bytes())
