"""The C runtime as a shared library: the one in the wheel, or one that this machine's compiler builds once.

A library is named by the digest of its sources, the flags and the kind of machine, so that a stale one is never found.
The build of the wheel (`hatch_build.py`) imports this module too: standard library only.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgeq.errors import UsageError
from edgeq.host.paths import home, shipped

FLAGS = ("-std=c99", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-Iinclude", "-Iruntime")
COMPILERS = ("cc", "gcc", "clang")
BUILD_S = 300.0
_FOLDERS = ("include/edgeq", "runtime", "runtime/kernels", "runtime/frontend", "runtime/host")


def find_library() -> Path:
    """The library that belongs to the sources: beside this module, in the cache, or else built into the cache.

    `UsageError` where it has to be built and cannot be."""
    sources = shipped("firmware_stubs")
    cache = home() / "cache" / "micro"
    for folder in (Path(__file__).parent, cache):
        if (folder / library_name(sources)).is_file():
            return folder / library_name(sources)
    return build_library(sources, cache)


def library_name(sources: Path) -> str:
    """The file name of a library that is built from `sources` (the folder `firmware_stubs`) on this machine."""
    digest = hashlib.sha256(repr((FLAGS, sys.platform, platform.machine(), sys.maxsize)).encode())
    for path in source_files(sources, "[ch]"):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(sources)} {len(content)}\n".encode() + content)
    return f"libedgeq-micro-{digest.hexdigest()[:16]}.so"


def build_library(sources: Path, folder: Path) -> Path:
    """Build into `folder`, which is made; several processes may do so at once. `UsageError` where that fails."""
    path = folder / library_name(sources)
    files = [str(file.relative_to(sources)) for file in source_files(sources, "c")]
    command = [*_compiler(), *FLAGS, *files, "-o"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as work:
            made = Path(work).resolve() / path.name
            _run([*command, str(made)], sources)
            made.replace(path)
    except OSError as error:
        raise UsageError(f"The microcontroller runtime cannot be built into {folder}: {error}.") from error
    return path


def source_files(sources: Path, suffix: str) -> Iterator[Path]:
    """The runtime's sources (suffix `c`) or headers too (`[ch]`), in one order everywhere."""
    for folder in _FOLDERS:
        yield from sorted((sources / folder).glob(f"*.{suffix}"))


def _compiler() -> list[str]:
    """The command in `CC`, else the first of the usual names that is on the path."""
    named = shlex.split(os.environ.get("CC", ""))
    found = named or [name for name in COMPILERS if shutil.which(name)][:1]
    if not found:
        raise UsageError(
            "The microcontroller runtime is not built here, and there is no C compiler to build it.",
            "sudo apt install gcc, or name a compiler in CC.",
        )
    return found


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=BUILD_S)
    if done.returncode:
        raise UsageError(
            f"The C compiler '{command[0]}' cannot build the microcontroller runtime: {done.stderr.strip()[-1000:]}",
            "Name a compiler for this machine in CC.",
        )
