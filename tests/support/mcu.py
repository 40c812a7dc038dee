"""Microcontrollers for tests: the firmware as a process of this machine, under sanitizers, and bundles for it."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundles import tiny
from once import once

from edgeq import __version__
from edgeq.bundle import Bundle, canonical_json, write_bundle
from edgeq.micro.compile import compile_model
from edgeq.micro.image import ENVELOPE
from edgeq.quantize.golden import make_golden
from edgeq.target import load_target

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware_stubs"
FAMILY = "edgeq-micro"
BOARD = "mps2-an386"
SANITIZE = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"


class Process:
    """The firmware as a process with its flash in a file. It ends where a sanitizer has something to say."""

    def __init__(self, elf: Path, flash: Path) -> None:
        self.flash, self._elf = flash, elf
        self.start()

    def start(self, port: int = 0) -> None:
        """Power on."""
        command = [self._elf, self.flash, str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.address = self._process.stdout.readline().strip()

    def kill(self) -> None:
        """Power off. Fails where it had ended by itself."""
        assert self._process.poll() is None, "the firmware ended; what a sanitizer said is above"
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdout
        self._process.stdout.close()


def build_process(folder: Path) -> Path:
    """The host port under sanitizers."""
    for tool in ("make", "gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    command = ["make", "-s", "-C", FIRMWARE, "-f", "firmware.mk", "PORT=host", f"BUILD={folder}", f"CFLAGS={SANITIZE}"]
    subprocess.run(command, check=True, timeout=120)
    return folder / "firmware.elf"


def make_port(port: str, folder: Path, *variables: str) -> Path:
    """A port linked to firmware, of which neither compiler nor linker has anything to say. `UsageError` where its
    compiler is not installed."""
    from edgeq.firmware import toolchain

    compiler = toolchain(replace(load_target(BOARD), port=port)).compiler
    command = ["make", "-s", f"-j{os.cpu_count()}", "-C", FIRMWARE, "-f", "firmware.mk", f"PORT={port}"]
    done = subprocess.run(
        [*command, f"BUILD={folder}", f"VERSION={__version__}", *variables], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), compiler
    return folder / "firmware.elf"


def board_firmware(name: str) -> Path:
    """The firmware for an emulated board, built once a run: for one board by the product, for the others by its
    makefile alone, so that a test sees what the compiler says. `UsageError` where its compiler is not installed."""
    from edgeq.firmware import ELF, build_firmware

    target = load_target(name)

    def make(folder: Path) -> None:
        if name == BOARD:
            build_firmware(target, out=folder)
        else:
            make_port(target.port, folder)

    return once(f"firmware-{name}", make) / ELF


def build_with_kernels(folder: Path, kernels: str, port: str, flags: str = "") -> None:
    """Firmware whose table of kernels is `tests/cases/firmware/<kernels>.c`."""
    table = Path(__file__).resolve().parents[1] / "cases" / "firmware" / f"{kernels}.c"
    command = ["make", "-s", f"-j{os.cpu_count()}", "-C", FIRMWARE, "-f", "firmware.mk", f"PORT={port}"]
    subprocess.run([*command, f"BUILD={folder}", f"TABLE={table}", f"CFLAGS={flags}"], check=True, timeout=600)


def build_hanging_board(folder: Path) -> None:
    """Convolutions never end in a model that is called "hang"; the watchdog of `BOARD` waits a second of its time."""
    build_with_kernels(folder, "hanging_kernels", load_target(BOARD).port, "-DWATCHDOG_TICKS=25000000u")


def build_hanging_process(folder: Path) -> None:
    """The same as a process of this machine, under sanitizers."""
    build_with_kernels(folder, "hanging_kernels", "host", SANITIZE)


def make_image(
    *,
    target: str = "",
    name: str = "tiny",
    outputs: Callable[[bytes], bytes] = lambda data: data,
    model: bytes | None = None,
    edit: Callable[[bytearray], None] = lambda image: None,
) -> bytes:
    """An image with golden vectors. `outputs` may spoil these, `model` replaces its plan, `edit` changes any bytes."""
    data, interface, (inputs, _) = tiny()
    golden = make_golden(data, inputs, FAMILY)
    vectors = [
        (given, [outputs(item) for item in wanted]) for given, wanted in zip(golden.inputs, golden.outputs, strict=True)
    ]
    text = canonical_json(interface.to_json())
    image = bytearray(compile_model(data).image(text, vectors, target=target, name=name))
    if model is not None:
        plan, size = struct.unpack_from("<II", image, ENVELOPE.size + 16)
        image[ENVELOPE.size + plan : ENVELOPE.size + plan + size] = bytes(size)
    edit(image)
    image[8:40] = hashlib.sha256(image[ENVELOPE.size :]).digest()
    return bytes(image)


def make_mcu_bundle(folder: Path, *, name: str = "tiny", target: str, arch: str, **spoilt: Any) -> Bundle:
    """A bundle for firmware that calls itself `target`; `spoilt` as `make_image` takes it."""
    data, interface, (inputs, _) = tiny()
    members = {
        "model.tflite": data,
        "interface.json": canonical_json(interface.to_json()),
        "golden.cbor": make_golden(data, inputs, FAMILY).encode(),
        "image.eqi": make_image(target=target, name=name, **spoilt),
    }
    return write_mcu_bundle(folder, members, name=name, target=target, arch=arch)


def write_mcu_bundle(
    folder: Path, members: dict[str, bytes], *, name: str, target: str, arch: str, **more: Any
) -> Bundle:
    """A bundle of these files, of which a device gets the image; `more` is the manifest's."""
    manifest = {
        "name": name,
        "target": target,
        "arch": arch,
        "mode": "static_wi8_ai8",
        "model": {"macs": 1234},
        "runtime": {"name": FAMILY, "version": "1", "threads": 1, "wheels": []},
        "evaluation": None,
        "device_files": ["image.eqi"],
        **more,
    }
    return write_bundle(folder, members, manifest)
