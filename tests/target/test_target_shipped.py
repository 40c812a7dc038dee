"""Every profile that ships is sound, has its sources, and has the evidence that it claims."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from edgeq.emulate.boards import boards
from edgeq.emulate.userlands import userlands
from edgeq.host.paths import shipped
from edgeq.runtimes import pick, wheels_for
from edgeq.target import Accelerator, Cpu, Energy, FlashRegion, Memory, Os, Power, Runtime, TargetProfile, read_target
from edgeq.target.profile import (
    ACCELERATORS,
    ARCHITECTURES,
    DELEGATES,
    EVIDENCE,
    FEATURES,
    KERNELS,
    KINDS,
    LIBCS,
    MODES,
    RUNTIMES,
)
from edgeq.units import format_bytes

PROFILES = [read_target(path) for path in sorted(shipped("targets").glob("*.toml"))]
SOURCES = ("runtime", "runtime/kernels", "core")
LEAST_SOURCE = 20
"""Characters: shorter than this nothing names a document."""

each = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)


def core_flags(profile: TargetProfile) -> tuple[str, ...]:
    """The compiler of Debian's, and what tells it the core."""
    if profile.cpu.arch == "rv32":
        return "riscv64-unknown-elf-gcc", f"-march={profile.cpu.core}", "-mabi=ilp32", "--specs=picolibc.specs"
    thumb = ["-mthumb"] if profile.cpu.arch.endswith(("-m", ".main", ".base")) else []
    return "arm-none-eabi-gcc", f"-mcpu={profile.cpu.core}", *thumb


COMPILED = sorted({core_flags(profile) for profile in PROFILES if profile.evidence == "compiled"})


def test_there_are_enough() -> None:
    assert len(PROFILES) >= 30
    assert {profile.kind for profile in PROFILES} == {"linux", "android", "mcu"}


def test_no_two_profiles_answer_to_one_name() -> None:
    names = [name.lower() for profile in PROFILES for name in (profile.name, *profile.aliases)]
    assert sorted(names) == sorted(set(names))


@each
def test_every_table_names_its_source(profile: TargetProfile) -> None:
    always = (profile.cpu, profile.memory, profile.runtime)
    sources = [
        table.source for table in (*always, *profile.accelerators, profile.os, profile.power, profile.energy) if table
    ]
    assert all(len(source) > LEAST_SOURCE for source in sources)


@each
def test_a_microcontroller_has_a_flash_map_or_says_why_not(profile: TargetProfile) -> None:
    if profile.kind == "mcu":
        assert profile.memory.flash or "# There is no flash" in profile.path.read_text(encoding="utf-8")
        assert profile.arena_limit_bytes >= 128 << 10, format_bytes(profile.arena_limit_bytes)


@each
def test_what_is_emulated_has_its_emulator_and_its_port(profile: TargetProfile) -> None:
    if profile.emulator:
        assert profile.emulator in (*userlands(), *boards())
    if profile.port:
        board = (shipped("firmware_stubs") / "ports" / profile.port / "board.mk").read_text(encoding="utf-8")
        assert f"TARGET ?= {profile.name}\n" in board
        assert core_flags(profile)[1] in board.split()


@each
def test_a_wheel_exists_for_the_python_and_glibc_of_the_os(profile: TargetProfile) -> None:
    if profile.kind != "linux" or profile.runtime.name == "edgeq-micro":
        return
    assert profile.os is not None
    for name in {profile.runtime.name, *profile.runtime.alternatives} - {"system", "edgeq-micro"}:
        version = profile.runtime.version if name == profile.runtime.name else "2.14.0"
        wheels = pick(
            wheels_for(name, version, profile.cpu.arch), python=profile.os.python, glibc=profile.os.libc_version
        )
        assert name in [wheel.name for wheel in wheels]


@pytest.mark.parametrize("flags", COMPILED, ids=lambda flags: flags[1])
def test_what_is_compiled_compiles(flags: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which(flags[0]) is None:
        pytest.skip(f"{flags[0]} is not installed")
    stubs = shipped("firmware_stubs")
    files = [str(path) for folder in SOURCES for path in sorted((stubs / folder).glob("*.c"))]
    includes = [f"-I{stubs / folder}" for folder in ("include", "ports", *SOURCES)]
    command = [*flags, "-std=c99", "-Wall", "-Wextra", "-Werror", *includes, "-c", *files]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*.o"))) == len(files)


def test_the_documentation_has_every_key_and_every_word() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "targets.md").read_text(encoding="utf-8")
    tables = (Cpu, Memory, FlashRegion, Os, Accelerator, Runtime, Power, Energy, TargetProfile)
    keys = {field.name for table in tables for field in fields(table)} - {"path", "flash"} | {"memory.flash"}
    words = {
        *KINDS,
        *EVIDENCE,
        *MODES,
        *ARCHITECTURES,
        *FEATURES,
        *LIBCS,
        *RUNTIMES,
        *KERNELS,
        *ACCELERATORS,
        *DELEGATES,
    }
    said = set(re.findall(r"`\[{0,2}([\w.-]+)\]{0,2}`", text))
    assert keys | words <= said, sorted((keys | words) - said)
