"""The C sources compile without a warning everywhere, and the core stays small."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cdrive import FIRMWARE

CORE_BYTES = 28 * 1024
"""Flash of the whole core on a Cortex-M4 at -Os: 7.9 KB are framing, CBOR, checksums, digests and slots, and 4.4 KB
signatures, which firmware without keys does not link."""


def make(target: str, folder: Path) -> str:
    for tool in ("make", "gcc", "clang", "arm-none-eabi-gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    done = subprocess.run(
        ["make", "-s", "-C", FIRMWARE, target, f"BUILD={folder}"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_compiler_is_content(tmp_path: Path) -> None:
    assert make("check", tmp_path) == ""


def test_the_core_is_small_and_keeps_nothing_in_ram(tmp_path: Path) -> None:
    text, data, bss, *_ = map(int, make("size", tmp_path).splitlines()[-1].split()[:3])
    assert text <= CORE_BYTES
    assert data == bss == 0


def test_only_three_functions_of_the_c_library_are_needed(tmp_path: Path) -> None:
    make("size", tmp_path)
    names = subprocess.run(
        ["arm-none-eabi-nm", "-u", *tmp_path.glob("*.o")], capture_output=True, text=True, check=True
    ).stdout.split()
    foreign = {name for name in names if name != "U" and not name.startswith(("eq_", "/")) and not name.endswith(".o:")}
    assert foreign <= {"memcpy", "memset", "memcmp"}
