"""Kernel modules for the initramfs: from the unpacked kernel package, with what they need, in loading order."""

from __future__ import annotations

import lzma
import shutil
import subprocess
from pathlib import Path

from edgeq.errors import UsageError


def modules_in_order(folder: Path, wanted: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """(name, content) of `wanted` and their dependencies, each after what it needs. `folder` is lib/modules/VERSION.

    What is not there as a module is taken to be built in; the guest says so if it is not.
    """
    files = {_name(path): path for path in folder.rglob("*.ko*")}
    order: dict[str, bytes] = {}
    for name in wanted:
        _add(name, files, order, ())
    return list(order.items())


def _add(name: str, files: dict[str, Path], order: dict[str, bytes], above: tuple[str, ...]) -> None:
    if name in order or name not in files or name in above:
        return
    content = _read(files[name])
    for dependency in dependencies(content):
        _add(dependency, files, order, (*above, name))
    order[name] = content


def _name(path: Path) -> str:
    return path.name.partition(".ko")[0].replace("-", "_")


def dependencies(module: bytes) -> list[str]:
    """Names from the line `depends=` of the module's .modinfo section, whose lines end in NUL."""
    for line in module.split(b"\0"):
        if line.startswith(b"depends="):
            names = line[len(b"depends=") :].decode("ascii", "replace")
            return [name.replace("-", "_") for name in names.split(",") if name]
    return []


def _read(path: Path) -> bytes:
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        if not shutil.which("zstd"):
            raise UsageError(
                "The kernel's modules are compressed with zstd, and there is no zstd here.", "apt-get install -y zstd"
            )
        return subprocess.run(["zstd", "-dcq", str(path)], capture_output=True, check=True, timeout=60).stdout
    return path.read_bytes()
