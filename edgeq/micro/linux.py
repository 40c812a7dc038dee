"""The C runtime as a shared library for Linux devices, compiled here: it needs nothing there but memcpy and memset.

No C library's headers and no helper library of the compiler's are used, so one file serves glibc and musl, and an armv6
core gets no instruction that it lacks.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import UsageError
from edgeq.host.paths import home, shipped
from edgeq.micro.library import FLAGS, source_files

MEMBER = "libedgeq-micro.so"
"""The member of a bundle."""
COMPILE_S = 300.0
ALONE = ("-ffreestanding", "-fbuiltin", "-nostdlib", "-Wl,--build-id=none", "-Wl,-soname," + MEMBER, "-s", "-Ilinux")


@dataclass(frozen=True)
class Compiler:
    """What compiles for one architecture, and Debian's package that holds it."""

    program: str
    package: str
    flags: tuple[str, ...]


COMPILERS = {
    "aarch64": Compiler("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu", ()),
    "armv6l": Compiler(
        "arm-linux-gnueabihf-gcc",
        "gcc-arm-linux-gnueabihf",
        ("-march=armv6", "-mfpu=vfp", "-mfloat-abi=hard", "-marm"),
    ),
    "armv7l": Compiler(
        "arm-linux-gnueabihf-gcc",
        "gcc-arm-linux-gnueabihf",
        ("-march=armv7-a", "-mfpu=neon-vfpv4", "-mfloat-abi=hard", "-mthumb"),
    ),
    "x86_64": Compiler("x86_64-linux-gnu-gcc", "gcc", ()),
}


def linux_library(arch: str) -> Path:
    """The library for `arch`, from the cache or compiled into it; the same bytes for the same sources and compiler.

    `UsageError` without a compiler, with the line that installs it.
    """
    compiler = COMPILERS[arch]
    program = shutil.which(compiler.program) or (shutil.which("gcc") if arch == platform.machine() else None)
    if program is None:
        raise UsageError(
            f"{compiler.program} is not installed; it compiles our runtime for {arch}.",
            f"apt-get install -y {compiler.package}",
        )
    sources = shipped("firmware_stubs")
    files = [*source_files(sources, "c"), sources / "linux" / "divide.c"]
    command = [program, *compiler.flags, *FLAGS, *ALONE, *(str(path.relative_to(sources)) for path in files)]
    path = home() / "cache" / "micro" / f"{arch}-{_digest(sources, command)}" / MEMBER
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=path.parent) as work:
            made = Path(work).resolve() / MEMBER
            _run([*command, "-o", str(made)], sources, arch)
            made.replace(path)
    return path


def _digest(sources: Path, command: list[str]) -> str:
    """Of everything that the library is made of."""
    version = subprocess.run([command[0], "--version"], capture_output=True, timeout=COMPILE_S).stdout
    digest = hashlib.sha256(repr(command).encode() + version)
    for path in (*source_files(sources, "[ch]"), *sorted((sources / "linux").iterdir())):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(sources)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _run(command: list[str], folder: Path, arch: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=COMPILE_S)
    if done.returncode:
        reason = done.stderr.strip()[-1000:]
        raise UsageError(f"{command[0]} cannot build our runtime for {arch}: {reason}", "Is it a compiler for Linux?")
