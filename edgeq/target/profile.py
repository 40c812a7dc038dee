"""What a target profile says: frozen records, and the closed lists of words that they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SCHEMA = 1
KINDS = ("linux", "android", "mcu")
EVIDENCE = ("documented", "compiled", "emulated", "hardware")
MODES = (
    *("static_wi8_ai8", "static_wi8_ai16", "static_wi4_ai8", "static_wi4_ai16"),
    *("dynamic_wi8_afp32", "dynamic_wi4_afp32", "weight_only_wi8_afp32", "weight_only_wi4_afp32"),
    *("float16", "float32"),
)
"""Of quantization, in LiteRT's words: `edgeq.quantize.recipe` says what each means."""
BITS = {"aarch64": 64, "x86_64": 64, "armv7l": 32, "armv6l": 32}
"""Architectures with an operating system, and the width of their programs."""
BARE = ("armv6-m", "armv7-m", "armv7e-m", "armv8-m.base", "armv8-m.main", "armv8.1-m.main", "rv32", "xtensa")
ARCHITECTURES = (*BITS, *BARE)
FEATURES = (
    *("dsp", "fpu-sp", "fpu-dp", "mve", "trustzone", "pie"),
    *("vfpv2", "vfpv4", "neon", "crc32", "aes", "fp16", "dotprod", "i8mm", "bf16", "sve2"),
    *("sse4.2", "avx2", "avx512", "avx-vnni"),
)
LIBCS = ("glibc", "musl", "bionic")
RUNTIMES = ("ai-edge-litert", "tflite-runtime", "litert", "edgeq-micro", "system")
KERNELS = ("xnnpack", "builtin", "reference", "edgeq-micro")
ACCELERATORS = ("gpu", "npu", "tpu", "dsp", "mve")
DELEGATES = ("gpu", "nnapi", "qnn", "edgetpu", "xnnpack", "ethos-u", "none")


@dataclass(frozen=True)
class Cpu:
    """`arch` is what its programs are compiled for, in the words of `uname -m` on Linux; `core` is the compiler's name
    of the core, the fastest where they differ; `clock_hz` is the nominal maximum."""

    arch: str
    core: str
    cores: int
    clock_hz: int
    features: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class FlashRegion:
    """Equal sectors in a row. `start` is the address that the CPU reads them at, or the offset in the chip where an MMU
    maps it; `write_bytes` is the least that is written at once; `erased` is the value of an erased byte; `xip` says
    that it is external flash, executed in place through a cache."""

    start: int
    sector_bytes: int
    sectors: int
    write_bytes: int
    erased: int
    xip: bool

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.sector_bytes * self.sectors


@dataclass(frozen=True)
class Memory:
    """Bytes. What is reserved belongs to `reserved_for`: the system, a radio stack, a bootloader. `flash_bytes` is 0
    where storage is a file system; `ram_contiguous_bytes`, the largest piece of RAM, is 0 where all of it is one piece;
    `flash` is the map of the sectors, empty where none is known. `firmware_apart` says that the firmware lies in other
    memory than models do, and that what it takes of the RAM is among what is reserved."""

    ram_bytes: int
    ram_reserved_bytes: int
    ram_contiguous_bytes: int
    flash_bytes: int
    flash_reserved_bytes: int
    reserved_for: str
    firmware_apart: bool
    flash: tuple[FlashRegion, ...]
    source: str


@dataclass(frozen=True)
class Os:
    """What the resolver of runtimes needs to know. `python` is the version that the system ships, empty where it has
    none; `libc_version` is the API level where `libc` is bionic; `bits` are those of its programs, not its kernel's."""

    name: str
    libc: str
    libc_version: str
    python: str
    bits: int
    source: str


@dataclass(frozen=True)
class Accelerator:
    """Something beside the CPU that can run a model. `delegate` is what LiteRT reaches it through, "none" where nothing
    does; `operators` are those it takes, empty where no source lists them."""

    name: str
    kind: str
    delegate: str
    modes: tuple[str, ...]
    operators: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Runtime:
    """What executes models there. `kernels` is the kernel family that golden vectors are made with;
    `golden_tolerance` is the largest accepted difference of one output element, in output steps (LSB);
    `alternatives` are other runtimes that work there; `unsupported` are operators that a source says it cannot run;
    `path` is the folder of Python packages on the device that a runtime "system" lies in, empty for Python's own."""

    name: str
    version: str
    kernels: str
    threads: int
    modes: tuple[str, ...]
    golden_tolerance: int
    alternatives: tuple[str, ...]
    unsupported: tuple[str, ...]
    path: str
    source: str


@dataclass(frozen=True)
class Power:
    """Tier 0 coefficients: board power under load in mW with a relative error in percent."""

    active_mw: float
    error_pct: float
    supply_v: float
    source: str


@dataclass(frozen=True)
class Energy:
    """The energy of an inference divided by its multiply-accumulates, in pJ, with a relative error in percent."""

    pj_per_mac: float
    error_pct: float
    supply_v: float
    source: str


@dataclass(frozen=True)
class TargetProfile:
    """One kind of hardware. `emulator` names the stand-in of `edgeq/emulate/`, or is empty; `port` is the folder of
    `firmware_stubs/ports/` that a microcontroller's firmware is built from, empty where there is none."""

    name: str
    title: str
    kind: str
    aliases: tuple[str, ...]
    evidence: str
    cpu: Cpu
    memory: Memory
    os: Os | None
    accelerators: tuple[Accelerator, ...]
    runtime: Runtime
    power: Power | None
    energy: Energy | None
    emulator: str
    port: str
    path: Path

    @property
    def ram_free_bytes(self) -> int:
        """What is left of the RAM for a model and its runtime, in bytes."""
        return self.memory.ram_bytes - self.memory.ram_reserved_bytes

    @property
    def arena_limit_bytes(self) -> int:
        """The largest piece of free RAM, in bytes: an arena is one piece."""
        return min(self.ram_free_bytes, self.memory.ram_contiguous_bytes or self.ram_free_bytes)

    @property
    def flash_free_bytes(self) -> int:
        """What is left of the flash for firmware and images, in bytes."""
        return self.memory.flash_bytes - self.memory.flash_reserved_bytes
