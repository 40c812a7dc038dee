"""The C core behind a pipe, built by each compiler under its sanitizers."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware_stubs"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
PARTS = (
    "cbor_read",
    "cbor_write",
    "crc",
    "frame_rx",
    "frame_tx",
    "log",
    "sectors",
    "sha256",
    "slots",
    "slots_parts",
    "slots_receive",
    "sha512",
    "ed25519",
    "trust",
)
"""Of the core: what needs no board."""
COMMANDS = (
    "crcs",
    "sha256",
    "cbor",
    "integer",
    "find",
    "receive",
    "transmit",
    "power_cuts",
    "step",
    "sha512",
    "ed25519",
    "field",
    "trust",
)

Ask = Callable[..., tuple[int, bytes]]


class Drive:
    """`firmware_stubs/tests/drive.c`, running; it ends where a sanitizer has something to say."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, command: str, payload: bytes) -> tuple[int, bytes]:
        """The status and the payload of the answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(struct.pack("<BI", COMMANDS.index(command), len(payload)) + payload)
        self._process.stdin.flush()
        head = self._process.stdout.read(8)
        assert len(head) == 8, f"the driver ended with {self._process.wait(10)}; what it said is above"
        status, length = struct.unpack("<iI", head)
        return status, self._process.stdout.read(length)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(10) == 0
        self._process.stdout.close()


@cache
def _links(compiler: str, *flags: str) -> bool:
    """Whether it has the libraries that these flags need."""
    command = [compiler, *flags, "-xc", "-", "-o", "/dev/null"]
    return subprocess.run(command, input=b"int main(void) { return 0; }", capture_output=True).returncode == 0


def build(compiler: str, program: Path, *flags: str) -> Path:
    """Compile the core's parts and the driver to `program`."""
    need(compiler, *flags)
    subprocess.run([compiler, *STRICT, *flags, f"-I{FIRMWARE / 'include'}", *sources(), "-o", program], check=True)
    return program


def need(compiler: str, *flags: str) -> None:
    """Skip where there is no such compiler, or not with these flags."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    if not _links(compiler, *flags):
        pytest.skip(f"{compiler} has no sanitizers here (Debian: libclang-rt-dev)")


def sources() -> list[Path]:
    """The core's parts, then the driver's."""
    return [*(FIRMWARE / "core" / f"eq_{part}.c" for part in PARTS), *sorted((FIRMWARE / "tests").glob("*.c"))]
