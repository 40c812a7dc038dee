"""Models on the emulated Cortex-M4, without the core: a port's own program invokes them and says what came out."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware_stubs"
MAIN = ROOT / "tests" / "cases" / "firmware" / "invoke_main.c"
TOOLS = ("make", "arm-none-eabi-gcc", "qemu-system-arm")
FLASH = 0x21000000
INSTRUCTIONS_PER_TICK = 40 / 64
"""With `-icount shift=6` and the counter at 25 MHz."""
ICOUNT_SHIFT = 6

Steps = Sequence[tuple[Sequence[bytes], Sequence[bytes]]]
"""Per step the raw inputs, and the raw outputs that there must be."""


@dataclass(frozen=True)
class Told:
    """Of one image: the status of `eq_model_open`, how many steps were wrong, instructions of the last `eq_invoke`."""

    status: int
    wrong: int
    instructions: int


def missing_tools() -> list[str]:
    """What is not installed here of what this needs."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def build(folder: Path, *variables: str, port: str = "qemu_mps2_an386") -> Path:
    """The program in `folder`; `variables` are those of firmware.mk."""
    command = ["make", "-s", "-C", FIRMWARE, "-f", "firmware.mk", f"PORT={port}", f"BUILD={folder}", f"MAIN={MAIN}"]
    subprocess.run([*command, "CORE=", *variables], check=True, timeout=300)
    return folder / "firmware.elf"


def run(program: Path, images: Sequence[tuple[bytes, Steps]], timeout_s: float = 120) -> list[Told]:
    """Invoke all images, each from a fresh arena; as many as fit into 16 MB."""
    said = execute(program, [_case(*item) for item in images], timeout_s)
    told = list(struct.iter_unpack("<iII", said))
    if len(told) != len(images):
        raise RuntimeError(f"the board ended after {len(told)} of {len(images)} images")
    return [Told(status, wrong, round(ticks * INSTRUCTIONS_PER_TICK)) for status, wrong, ticks in told]


def execute(program: Path, cases: Sequence[bytes], timeout_s: float = 120) -> bytes:
    """What a program says on its line about cases in its flash, before it ends."""
    memory = program.with_name("cases.bin")
    memory.write_bytes(struct.pack("<4I", len(cases), 0, 0, 0) + b"".join(cases))
    command = [
        "qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-no-reboot",
        "-serial", "stdio", "-icount", f"shift={ICOUNT_SHIFT}", "-semihosting-config", "enable=on,target=native",
        "-device", f"loader,file={memory},addr={FLASH:#x},force-raw=on", "-kernel", str(program),
    ]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s)
    if done.returncode:
        raise RuntimeError(f"the board ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def _case(image: bytes, steps: Steps) -> bytes:
    data = image + b"".join(b"".join(inputs) + b"".join(outputs) for inputs, outputs in steps)
    data += bytes(-len(data) % 16)
    return struct.pack("<4I", len(data), len(image), len(steps), 0) + data
