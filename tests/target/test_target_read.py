"""Reading a profile: every mistake is named with file and key, in the file's own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.errors import TargetError
from edgeq.host.paths import shipped
from edgeq.target import MODES, read_target
from edgeq.target.checks import CHECKS

PI, GALAXY, NUCLEO, PICO, EMULATED = "rpi4", "galaxy-s24", "nucleo-f746zg", "raspberry-pi-pico", "mps2-an386"


def table_of(like: str, name: str) -> str:
    """The text of one table of a shipped profile, as far as the next."""
    text = (shipped("targets") / f"{like}.toml").read_text(encoding="utf-8")
    return f"[{name}]" + text.partition(f"\n[{name}]")[2].partition("\n[")[0] + "\n"


OS = table_of("rpi4", "os")


def written(folder: Path, like: str, old: str, new: str) -> Path:
    """The shipped profile `like` as `mine`, with one mistake."""
    text = (
        (shipped("targets") / f"{like}.toml").read_text(encoding="utf-8").replace(f'name = "{like}"', 'name = "mine"')
    )
    assert old in text
    path = folder / "mine.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("like", "old", "new", "message"),
    [
        (PI, "schema = 1", "schema = 2", "schema 2 is newer"),
        (PI, 'name = "mine"', 'name = "other"', "'name' must be the file's stem, 'mine'; it says 'other'"),
        (PI, 'kind = "linux"', 'kind = "plan9"', "'kind' must be one of linux, android, mcu; it says 'plan9'"),
        (PI, "cores = 4", 'cores = "4"', "'cpu.cores' must be a whole number from 1 to 1024; it says '4'"),
        (PI, "cores = 4", "", "'cpu.cores' must be a whole number from 1 to 1024; it is missing"),
        (PI, "cores = 4", "cores = 4\ncorse = 1", "unknown key 'cpu.corse'"),
        (PI, '["neon", "crc32"]', '["neno"]', "'cpu.features' must be made of dsp, "),
        (PI, '["static_wi8_ai8", ', '["int3", ', "'runtime.modes' must be made of static_wi8_ai8, "),
        (PI, "[power]", "[power", "cannot be read as TOML"),
        (PI, "[power]", "[[power]]", "'power' must be a table"),
        (PI, "error_pct = 50", "error_pct = -1", "'power.error_pct' must be a number from 0 to 1000"),
        (PI, 'libc = "glibc"', 'libc = "uclibc"', "'os.libc' must be one of glibc, musl, bionic; it says 'uclibc'"),
        (PI, '["tflite-runtime", "system"]', '["tvm"]', "'runtime.alternatives' must be made of ai-edge-litert, "),
        (PI, "[os]", '[os]\ncodename = "x"', "unknown key 'os.codename'"),
        (
            GALAXY,
            '"none"' if False else 'delegate = "qnn"',
            'delegate = "q"',
            "'accelerators[1].delegate' must be one of",
        ),
        (GALAXY, 'kind = "npu"', 'kind = "npu"\ntops = 45', "unknown key 'accelerators[1].tops'"),
        (NUCLEO, "write_bytes = 4", "write_bytes = 0", "'memory.flash[0].write_bytes' must be a whole number from 1"),
        (NUCLEO, "sectors = 1", "sectors = 1\nsector = 2", "unknown key 'memory.flash[1].sector'"),
        (NUCLEO, "sectors = 1", "sectors = 1\nxip = 1", "'memory.flash[1].xip' must be true or false; it says 1"),
        (NUCLEO, 'source = "our C', 'source = " "\n# "our C', "'runtime.source' must be a text; it says ' '"),
    ],
)
def test_what_the_schema_does_not_allow_is_named(tmp_path: Path, like: str, old: str, new: str, message: str) -> None:
    path = written(tmp_path, like, old, new)
    with pytest.raises(TargetError) as error:
        read_target(path)
    assert message in error.value.message
    assert str(path) in error.value.message


BROKEN = {
    "the_name_can_stand_in_a_path": (PI, "", "", "'name' must be made of a-z, 0-9"),
    "the_aliases_are_other_names": (PI, '"pi4"', '"PI4", "pi4"', "'aliases' must be names that differ"),
    "a_microcontroller_has_flash": (
        *(PI, 'kind = "linux"', 'kind = "mcu"'),
        "'memory.flash_bytes' must be given for a microcontroller; it is missing",
    ),
    "less_is_reserved_than_there_is": (
        *(PI, "ram_reserved_bytes = 268_435_456", "ram_reserved_bytes = 1_073_741_824"),
        "'memory.ram_reserved_bytes' must be less than ram_bytes = 1073741824; it says 1073741824",
    ),
    "what_is_reserved_is_for_something": (
        *(PICO, "reserved_for = ", "# "),
        "'memory.reserved_for' must be said where 256 bytes are reserved; it is missing",
    ),
    "one_piece_of_ram_is_no_larger_than_all": (
        *(NUCLEO, "ram_bytes = 327_680", "ram_bytes = 327_680\nram_contiguous_bytes = 327_681"),
        "'memory.ram_contiguous_bytes' must be at most ram_bytes = 327680; it says 327681",
    ),
    "the_flash_map_adds_up": (
        *(NUCLEO, "sectors = 3", "sectors = 4"),
        "'memory.flash_bytes' must be the sum of the sectors of memory.flash, 1310720; it says 1048576",
    ),
    "the_flash_map_is_in_order": (
        *(NUCLEO, "start = 0x0802_0000", "start = 0x0801_0000"),
        "'memory.flash[1].start' must be at or behind the end of the region before it, 0x8020000; it says 134283264",
    ),
    "a_sector_is_whole_write_units": (
        *(NUCLEO, "write_bytes = 4", "write_bytes = 6"),
        "'memory.flash[0].write_bytes' must be a divisor of sector_bytes = 32768; it says 6",
    ),
    "the_arch_fits_the_kind": (
        *(NUCLEO, '"armv7e-m"', '"aarch64"'),
        "'cpu.arch' must be one of armv6-m, ",
    ),
    "only_a_system_has_an_os": (NUCLEO, "[runtime]", OS + "[runtime]", "'os' must be left out for a microcontroller"),
    "the_os_fits_the_kind_and_the_arch": (
        *(PI, "bits = 64", "bits = 32"),
        "'os.bits' must be those of cpu.arch = 'aarch64', 64; it says 32",
    ),
    "versions_are_numbers": (PI, '"2.36"', '"bookworm"', "'os.libc_version' must be a version such as 2.36"),
    "what_is_emulated_names_its_emulator": (
        *(EMULATED, "port = ", "# "),
        "'port' must be given for an emulated microcontroller; it is missing",
    ),
    "the_kernels_are_those_of_the_runtime": (
        *(NUCLEO, '["static_wi8_ai8"]', '["static_wi8_ai8", "float32"]'),
        "'runtime.modes' must be ['static_wi8_ai8'], which is what edgeq-micro runs",
    ),
    "builtin_kernels_are_those_of_arm": (
        *("linux-x86_64", 'kernels = "xnnpack"', 'kernels = "builtin"'),
        "'runtime.kernels' must be another family where cpu.arch = 'x86_64'; it says 'builtin'",
    ),
    "a_path_is_that_of_the_system_s_runtime": (
        *(PI, "threads = 1", 'threads = 1\npath = "/opt/litert"'),
        "'runtime.path' must be left out where runtime.name = 'ai-edge-litert'",
    ),
    "a_runtime_is_named_once": (
        *(PI, '["tflite-runtime", "system"]', '["ai-edge-litert"]'),
        "'runtime.alternatives' must be other runtimes than runtime.name = 'ai-edge-litert', each once",
    ),
    "operators_are_spelled_as_in_a_model": (
        *(PI, "alternatives = ", 'unsupported = ["Conv2D"]\nalternatives = '),
        "'runtime.unsupported' must be made of names such as CONV_2D; it says 'Conv2D'",
    ),
    "no_delegate_takes_nothing": (
        *(GALAXY, 'delegate = "qnn"', 'delegate = "none"'),
        "'accelerators[1].modes' must be empty where delegate = 'none'",
    ),
}


@pytest.mark.parametrize("name", [check.__name__ for check in CHECKS])
def test_every_check_says_what_does_not_hold(tmp_path: Path, name: str) -> None:
    like, old, new, message = BROKEN[name]
    path = written(tmp_path, like, old, new)
    if name == "the_name_can_stand_in_a_path":
        text = path.read_text(encoding="utf-8").replace('"mine"', '"My Board"')
        path = tmp_path / "My Board.toml"
        path.write_text(text, encoding="utf-8")
    with pytest.raises(TargetError) as error:
        read_target(path)
    assert message in error.value.message
    assert str(path) in error.value.message


@pytest.mark.parametrize(
    ("like", "old", "new", "message"),
    [
        (NUCLEO, "flash_bytes = 1", "flash_reserved_bytes = 1_048_576\nreserved_for = 'x'\nflash_bytes = 1",
         "'memory.flash_reserved_bytes' must be less than flash_bytes = 1048576; it says 1048576"),
        (NUCLEO, "flash_bytes = 1", "reserved_for = 'a boot loader'\nflash_bytes = 1",
         "'memory.reserved_for' must be left out where nothing is reserved; it says 'a boot loader'"),
        (PI, OS, "", "'os' must be a table where kind = 'linux'; it is missing"),
        (PI, 'libc = "glibc"', 'libc = "bionic"', "'os.libc' must be glibc or musl where kind = 'linux'"),
        (PI, 'python = "3.11"', 'python = "3"', "'os.python' must be a version such as 3.11, or left out; it says '3'"),
        (PI, "emulator = ", "# ", "'emulator' must be given where evidence = 'emulated'; it is missing"),
        (PI, 'kernels = "xnnpack"', 'kernels = "edgeq-micro"', "'runtime.kernels' must be those of runtime.name"),
        (GALAXY, 'modes = ["static_wi8_ai8", "float32"]', "modes = []",
         "'accelerators[1].modes' must be given where delegate = 'qnn'; it says []"),
        (GALAXY, '"CONV_2D"', '"conv"', "'accelerators[0].operators' must be made of names such as CONV_2D"),
    ],
)  # fmt: skip
def test_the_other_half_of_a_check(tmp_path: Path, like: str, old: str, new: str, message: str) -> None:
    with pytest.raises(TargetError) as error:
        read_target(written(tmp_path, like, old, new))
    assert message in error.value.message


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    profile = read_target(written(tmp_path, NUCLEO, "aliases = ", "# "))
    assert (profile.aliases, profile.os, profile.accelerators, profile.power, profile.energy) == (
        (),
        None,
        (),
        None,
        None,
    )
    assert (profile.memory.ram_contiguous_bytes, profile.memory.flash_reserved_bytes) == (0, 0)
    assert {(region.erased, region.xip) for region in profile.memory.flash} == {(255, False)}
    assert (profile.runtime.alternatives, profile.runtime.unsupported, profile.emulator, profile.port) == (
        (),
        (),
        "",
        "",
    )


def test_figures_follow_from_what_is_reserved() -> None:
    dk = read_target(shipped("targets") / "nrf52840-dk.toml")
    assert (dk.ram_free_bytes, dk.arena_limit_bytes, dk.flash_free_bytes) == (237_568, 237_568, 0x100000 - 0x27000)
    h7 = read_target(shipped("targets") / "nucleo-h743zi.toml")
    assert (h7.ram_free_bytes, h7.arena_limit_bytes, h7.flash_free_bytes) == (1056 << 10, 512 << 10, 2 << 20)
    assert read_target(shipped("targets") / "rpi4.toml").runtime.modes == MODES


def test_a_key_with_a_slip_in_it_is_found(tmp_path: Path) -> None:
    text = (shipped("targets") / "rpi4.toml").read_text(encoding="utf-8")
    (tmp_path / "rpi4.toml").write_text(text.replace("ram_bytes =", "ram_bites ="), encoding="utf-8")
    with pytest.raises(TargetError, match=r"'memory\.ram_bytes' must be") as told:
        read_target(tmp_path / "rpi4.toml")
    assert told.value.hint == "There is 'memory.ram_bites': is it a slip?"
    without = "\n".join(line for line in text.splitlines() if not line.startswith("ram_bytes"))
    (tmp_path / "rpi4.toml").write_text(without, encoding="utf-8")
    with pytest.raises(TargetError) as told:
        read_target(tmp_path / "rpi4.toml")
    assert "slip" not in told.value.hint
