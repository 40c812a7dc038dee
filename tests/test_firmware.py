"""`edgeq firmware build` and `size`: what is compiled when, with which kernels, and what the figures say."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from edgeq import firmware
from edgeq.bundle import Bundle
from edgeq.emulate.firmware import firmware_elf
from edgeq.errors import ArtifactError, EdgeqError, UsageError
from edgeq.firmware import ELF, FACTS, build_firmware, frontend_flag, kernel_table, toolchain
from edgeq.firmware import size as firmware_size
from edgeq.firmware.size import deepest, firmware_sizes, runtime_sizes, write_sizes
from edgeq.host.paths import shipped
from edgeq.target import TargetProfile, load_target

PORT_MAIN = Path(__file__).parent / "cases" / "firmware" / "port_main.c"
KWS = ("avgpool_i8", "conv_i8", "depthwise_i8", "fc_i8", "softmax_i8")
ALL_BYTES, KWS_BYTES = 40 << 10, 16 << 10
"""The most that the runtime may take on a Cortex-M4 at -O2."""

BOARD = load_target("mps2-an386")


def bundle_with(*kernels: str, abi: int = 1) -> Bundle:
    return Bundle(Path("a-bundle"), {"target": "mps2-an386", "plan": {"kernels": list(kernels), "abi": abi}}, "")


@pytest.fixture
def tools() -> firmware.Toolchain:
    for tool in ("make", "arm-none-eabi-gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    return toolchain(BOARD)


@pytest.fixture
def sources(tools: firmware.Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources, as an installed wheel has one, with a small program in place of the core's, which needs
    neither the front end nor most of the core."""
    copy = tmp_path / "site packages" / "firmware_stubs"
    shutil.copytree(shipped("firmware_stubs"), copy)
    shutil.copy2(PORT_MAIN, copy / "ports" / "main.c")
    for path in (*(copy / "runtime" / "frontend").glob("*.c"), *(copy / "core").glob("*.c")):
        if path.stem not in ("eq_crc", "eq_sha256", "eq_slots"):
            path.unlink()
    for module in (firmware, firmware_size):
        monkeypatch.setattr(module, "shipped", lambda _: copy)
    return copy


def test_it_is_compiled_once_and_lies_where_the_emulator_looks(sources: Path) -> None:
    said: list[str] = []
    elf, made = build_firmware(BOARD, progress=said.append)
    assert elf == firmware_elf("mps2-an386")
    assert elf.read_bytes()[:4] == b"\x7fELF"
    assert b"mps2-an386\0" in elf.read_bytes()
    assert (made.target, made.port) == ("mps2-an386", "qemu_mps2_an386")
    assert 1000 < made.flash_bytes < 100_000
    assert 16_384 < made.ram_bytes < 200_000
    before = elf.stat()
    assert build_firmware(BOARD, progress=said.append) == (elf, made)
    assert elf.stat() == before
    assert len(said) == 1
    assert sorted(path.name for path in elf.parent.iterdir()) == [ELF, FACTS]


def test_whatever_it_is_made_of_makes_it_anew(sources: Path, tmp_path: Path) -> None:
    seen = set()

    def build(target: TargetProfile = BOARD, bundle: Bundle | None = None) -> None:
        said: list[str] = []
        seen.add(build_firmware(target, bundle, tmp_path / "out", said.append)[1].digest)
        assert len(said) == 1

    build()
    build(replace(BOARD, name="another"))
    build(bundle=bundle_with(*KWS))
    with (sources / "ports" / "main.c").open("a") as file:
        file.write("\n")
    build()
    assert len(seen) == 4
    with (tmp_path / "out" / ELF).open("ab") as file:
        file.write(b"x")
    build()
    (tmp_path / "out" / FACTS).write_text("{}")
    build()
    assert len(seen) == 4


def test_only_the_kernels_of_a_bundle() -> None:
    table, kernels = kernel_table(bundle_with("copy", "fc_i8"))
    assert kernels == ("copy", "fc_i8")
    assert [line.strip() for line in table.splitlines() if "&" in line] == [
        "[EQ_FC_I8] = &eq_fc_i8,",
        "[EQ_COPY] = &eq_copy,",
    ]
    whole, every = kernel_table(None)
    assert whole == (shipped("firmware_stubs") / "runtime" / "eq_kernels.c").read_text(encoding="utf-8")
    assert len(every) == whole.count("&") > 10
    with pytest.raises(ArtifactError, match="'warp_i8'"):
        kernel_table(bundle_with("fc_i8", "warp_i8"))
    with pytest.raises(UsageError, match="needs no firmware"):
        kernel_table(Bundle(Path("a-bundle"), {"target": "rpi4"}, ""))


def test_what_is_missing_is_told_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no firmware for rpi4"):
        build_firmware(load_target("rpi4"))
    with pytest.raises(UsageError, match="names no port"):
        build_firmware(replace(BOARD, port="nowhere"))
    make = shutil.which("make")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="make is not installed") as told:
        build_firmware(BOARD)
    assert told.value.hint == "apt-get install -y make"
    (tmp_path / "make").symlink_to(make or pytest.skip("make is not installed"))
    with pytest.raises(UsageError, match="arm-none-eabi-gcc is not installed") as told:
        build_firmware(BOARD)
    assert told.value.hint == "apt-get install -y gcc-arm-none-eabi libnewlib-arm-none-eabi"


def test_a_compiler_that_complains_is_quoted_and_nothing_is_published(sources: Path) -> None:
    with (sources / "ports" / "main.c").open("a") as file:
        file.write("int wrong\n")
    with pytest.raises(EdgeqError, match=r"ports/main\.c:\d+:.*error: ") as told:
        build_firmware(BOARD)
    assert "int wrong" in told.value.hint
    with pytest.raises(UsageError, match="no firmware"):
        firmware_elf("mps2-an386")


def test_the_runtime_is_small_and_keeps_nothing_in_ram(tools: firmware.Toolchain, tmp_path: Path) -> None:
    figures = []
    for name, bundle in (("all", None), ("kws", bundle_with(*KWS))):
        (tmp_path / name).mkdir()
        figures.append(runtime_sizes(BOARD, tools, kernel_table(bundle)[0], tmp_path / name, frontend_flag(bundle)))
    (every, every_data, every_stack), (kws, kws_data, _) = figures
    assert KWS_BYTES // 4 < kws < every <= ALL_BYTES
    assert kws <= KWS_BYTES
    assert every_data == kws_data == 0
    assert 100 < every_stack < 1024


def test_front_ends_are_left_out_where_the_bundle_has_none() -> None:
    left_out = "FRONTEND=runtime/no_frontend"
    assert frontend_flag(bundle_with("copy")) == left_out
    assert frontend_flag(bundle_with("copy", abi=2)) == frontend_flag(None) == ""
    assert (shipped("firmware_stubs") / left_out.removeprefix("FRONTEND=")).is_dir()


def test_sizes_are_kept_beside_the_port(sources: Path) -> None:
    sizes = firmware_sizes(BOARD)
    assert sizes.runtime_flash_bytes > 1000 < sizes.core_flash_bytes
    path = write_sizes(BOARD, sizes)
    assert path == sources / "ports" / "qemu_mps2_an386" / "sizes.json"
    assert json.loads(path.read_text(encoding="utf-8")) == asdict(sizes)


GRAPH = """
node: { title: "eq_invoke" label: "eq_invoke\\na.c:1:1\\n16 bytes (static)" }
node: { title: "__indirect_call" label: "Indirect Call Placeholder" shape : ellipse }
edge: { sourcename: "eq_invoke" targetname: "__indirect_call" label: "a.c:2:3" }
node: { title: "k.c:run" label: "run\\nk.c:1:1\\n40 bytes (static)" }
node: { title: "k.c:part" label: "part\\nk.c:1:1\\n500 bytes (static)" }
edge: { sourcename: "k.c:run" targetname: "k.c:part" label: "k.c:2:3" }
node: { title: "l.c:run" label: "run\\nl.c:1:1\\n8 bytes (static)" }
node: { title: "memcpy" label: "__builtin_memcpy\\n<built-in>" shape : ellipse }
edge: { sourcename: "l.c:run" targetname: "memcpy" }
node: { title: "eq_unused" label: "eq_unused\\na.c:9:1\\n9000 bytes (static)" }
"""


def test_the_deepest_path_goes_through_pointers_and_libraries() -> None:
    assert deepest([GRAPH], "eq_invoke") == 16 + 40 + 500
    assert deepest(GRAPH.splitlines(), "l.c:run") == 8 + firmware_size.LIBRARY_STACK_BYTES
    chooses = 'edge: { sourcename: "l.c:run" targetname: "__indirect_call" label: "l.c:5:5" }'
    chosen = 'node: { title: "l.c:fast" label: "fast\\nl.c:1:1\\n700 bytes (static)" }'
    assert deepest([GRAPH, chooses, chosen], "eq_invoke") == 16 + 8 + 700
    with pytest.raises(UsageError, match=r"k\.c:part"):
        deepest([GRAPH.replace("500 bytes (static)", "500 bytes (dynamic)")], "eq_invoke")
