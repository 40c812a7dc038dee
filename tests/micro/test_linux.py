"""The C runtime as a library for Linux devices: compiled for each architecture, and run where this machine can."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinymodel

from edgeq.agent.micro import IMAGE, LIBRARY, MicroModel
from edgeq.errors import UsageError
from edgeq.host.paths import shipped
from edgeq.interface import Interface
from edgeq.micro.compile import compile_model
from edgeq.micro.library import FLAGS, source_files
from edgeq.micro.linux import COMPILERS, MEMBER, linux_library
from edgeq.micro.native import NativeModel
from edgeq.model.describe import describe
from edgeq.model.tflite import read_model
from edgeq.preprocess import Raw, parse
from edgeq.preprocess.wire import encode_raw
from edgeq.runtimes.resolve import MICRO_ARCHS

CASE = Path(__file__).resolve().parents[1] / "cases" / "linux" / "golden.c"


def need(program: str) -> str:
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not installed")
    return found


def image() -> tuple[bytes, Interface, list[tuple[list[bytes], list[bytes]]]]:
    """The tiny model's image with four golden vectors, its interface, the vectors."""
    model = tinymodel.converted().model
    interface = describe(read_model(model))
    inputs = [[interface.inputs[0].quantize(sample).tobytes()] for sample in tinymodel.samples(4)]
    with NativeModel(compile_model(model).image()) as native:
        vectors = [(item, native.invoke(item)) for item in inputs]
    return compile_model(model).image(b"{}", vectors, [], target="t", name="tiny", tolerance=0), interface, vectors


def test_every_architecture_of_the_resolver_has_a_compiler() -> None:
    assert tuple(sorted(COMPILERS)) == MICRO_ARCHS


@pytest.mark.parametrize("arch", COMPILERS)
def test_a_library_needs_nothing_but_memory_functions(
    arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(COMPILERS[arch].program)
    readelf = need("readelf")
    path = linux_library(arch)
    symbols = subprocess.run([readelf, "-W", "--dyn-syms", path], capture_output=True, text=True, check=True).stdout
    wanted = {line.split()[-1] for line in symbols.splitlines() if " UND " in line} - {"UND"}
    assert wanted <= {"memcpy", "memset", "memmove", "memcmp"}, wanted
    dynamic = subprocess.run([readelf, "-W", "-d", path], capture_output=True, text=True, check=True).stdout
    assert "NEEDED" not in dynamic
    monkeypatch.setenv("EDGEQ_HOME", str(tmp_path))
    again = linux_library(arch)
    assert again != path and again.read_bytes() == path.read_bytes()


def test_armv6_gets_no_instruction_of_a_newer_core() -> None:
    need(COMPILERS["armv6l"].program)
    said = subprocess.run([need("readelf"), "-A", linux_library("armv6l")], capture_output=True, text=True, check=True)
    assert re.search(r"Tag_CPU_arch: v6\n", said.stdout)
    assert re.search(r"Tag_FP_arch: VFPv2\n", said.stdout)
    assert "Tag_ABI_VFP_args: VFP registers" in said.stdout


def test_golden_vectors_hold_on_an_emulated_arm1176(tmp_path: Path) -> None:
    """The sources and flags of the library for a Raspberry Pi Zero, as a program that needs no system."""
    compiler, emulator = COMPILERS["armv6l"], shutil.which("qemu-arm-static") or need("qemu-arm")
    program, sources = need(compiler.program), shipped("firmware_stubs")
    (tmp_path / "image.eqi").write_bytes(image()[0])
    flags = [flag for flag in (*compiler.flags, *FLAGS) if flag not in ("-fPIC", "-shared", "-std=c99")]
    files = [*source_files(sources, "c"), sources / "linux" / "divide.c", CASE]
    freestanding = ["-ffreestanding", "-nostdlib", "-static", "-Ilinux", f'-DIMAGE="{tmp_path}/image.eqi"']
    elf = tmp_path / "golden"
    command = [program, *flags, *freestanding, *map(str, files), "-o", str(elf)]
    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    ran = subprocess.run([emulator, "-cpu", "arm1176", elf], capture_output=True, timeout=60)
    assert ran.returncode == 0, f"off by {ran.returncode}: {ran.stderr!r}"


def test_division_is_that_of_python(tmp_path: Path) -> None:
    """Under an emulated arm1176, for edge cases; each line of the table is compiled in."""
    compiler, emulator = COMPILERS["armv6l"], shutil.which("qemu-arm-static") or need("qemu-arm")
    program = need(compiler.program)
    edges = (0, 1, 2, 3, 7, 10, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1)
    rows = [(a, b) for a in edges for b in edges if b]
    table = ",".join(f"{{{a}u,{b}u,{a // b}u,{a % b}u}}" for a, b in rows)
    signed = [(a, b) for a in (0, 1, -1, 7, -7, 2**31 - 1, -(2**31) + 1) for b in (1, -1, 2, -3, 2**31 - 1)]
    more = ",".join(f"{{{a},{b},{int(a / b)},{a - b * int(a / b)}}}" for a, b in signed)
    (tmp_path / "try.c").write_text(
        f"static const struct {{ unsigned a, b, q, r; }} u[] = {{{table}}};\n"
        f"static const struct {{ int a, b, q, r; }} s[] = {{{more}}};\n"
        "static int run(void) {\n"
        " for (unsigned i = 0; i < sizeof u / sizeof *u; i++) { volatile unsigned a = u[i].a, b = u[i].b;\n"
        "  if (a / b != u[i].q || a % b != u[i].r) return 1; }\n"
        " for (unsigned i = 0; i < sizeof s / sizeof *s; i++) { volatile int a = s[i].a, b = s[i].b;\n"
        "  if (a / b != s[i].q || a % b != s[i].r) return 2; }\n"
        " return 0; }\n"
        'void _start(void) { register int c __asm__("r0") = run(); register int n __asm__("r7") = 1;\n'
        ' __asm__ volatile("svc 0" : : "r"(c), "r"(n)); }\n'
    )
    divide = shipped("firmware_stubs") / "linux" / "divide.c"
    command = [
        program,
        *compiler.flags,
        "-O1",
        "-nostdlib",
        "-static",
        "-ffreestanding",
        str(tmp_path / "try.c"),
        str(divide),
    ]
    subprocess.run([*command, "-o", str(tmp_path / "try")], check=True, capture_output=True, timeout=60)
    assert subprocess.run([emulator, "-cpu", "arm1176", tmp_path / "try"], timeout=60).returncode == 0


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, list[tuple[list[bytes], list[bytes]]]]:
    """The members that the agent needs, for this machine."""
    if platform.machine() not in COMPILERS:
        pytest.skip(f"there is no library for {platform.machine()}")
    try:
        library = linux_library(platform.machine())
    except UsageError as error:
        pytest.skip(error.message)
    data, interface, vectors = image()
    (tmp_path / IMAGE).write_bytes(data)
    (tmp_path / LIBRARY).write_bytes(library.read_bytes())
    (tmp_path / "interface.json").write_text(json.dumps(interface.to_json()))
    return tmp_path, vectors


def test_the_agent_s_model_gives_the_host_s_bytes(release: Any) -> None:
    folder, vectors = release
    model = MicroModel(folder)
    assert model.title == "edgeq-micro 1"
    assert model.input_bytes == len(vectors[0][0][0])
    assert [model.invoke(inputs) for inputs, _ in vectors] == [outputs for _, outputs in vectors]
    with pytest.raises(ValueError, match="takes inputs of"):
        model.invoke([b""])
    with pytest.raises(ValueError, match="no preprocessing"):
        model.invoke_raw({"type": "uint8", "shape": [1], "rate": 0, "data": b"\0"})


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:200], lambda data: data[:60] + b"\xff" * 400])
def test_a_damaged_image_is_refused(release: Any, damage: Any) -> None:
    folder, _ = release
    (folder / IMAGE).write_bytes(damage((folder / IMAGE).read_bytes()))
    with pytest.raises(RuntimeError, match="refuses the image"):
        MicroModel(folder)


def test_a_library_of_another_machine_does_not_load(release: Any) -> None:
    folder, _ = release
    (folder / LIBRARY).write_bytes(b"\x7fELF not a library")
    with pytest.raises(RuntimeError, match="does not load here"):
        MicroModel(folder)


def test_names_agree_between_host_and_agent() -> None:
    assert MEMBER == LIBRARY


def test_without_a_compiler_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.micro.linux.shutil.which", lambda _name: None)
    with pytest.raises(UsageError, match="arm-linux-gnueabihf-gcc is not installed") as no:
        linux_library("armv6l")
    assert no.value.hint == "apt-get install -y gcc-arm-linux-gnueabihf"


def test_raw_input_goes_through_the_image_s_own_front_end(release: Any) -> None:
    folder, _ = release
    steps = [{"do": "scale", "multiply": 1 / 255, "add": 0.0}]
    planned = compile_model(tinymodel.converted().model).preprocessed(parse({"input": "image", "steps": steps}))
    (folder / IMAGE).write_bytes(planned.image())
    _, height, width, channels = describe(read_model(tinymodel.converted().model)).inputs[0].shape
    raw = Raw(np.arange(height * width * channels, dtype=np.uint8).reshape(height, width, channels))
    with NativeModel(planned.image()) as native:
        expected = native.invoke_raw(raw)
    model = MicroModel(folder)
    assert model.invoke_raw(encode_raw(raw)) == expected
    with pytest.raises(ValueError, match="has 3 bytes"):
        model.invoke_raw({**encode_raw(raw), "data": b"abc"})
    with pytest.raises(ValueError, match="is refused"):
        model.invoke_raw({**encode_raw(raw), "type": "int16"})
