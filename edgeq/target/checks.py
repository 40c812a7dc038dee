"""What must hold between the figures of a profile: named checks, each a sentence in the file's own words.

A check yields what is wrong: the key, what it must be, and what the file says there (None where it says nothing).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from edgeq.target.profile import BARE, BITS, TargetProfile
from edgeq.target.table import complaint

Fault = tuple[str, str, object | None]
Check = Callable[[TargetProfile], Iterator[Fault]]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_VERSION = re.compile(r"\d+(\.\d+)?")
_OPERATOR = re.compile(r"[A-Z][A-Z0-9_]*")


def check(profile: TargetProfile) -> None:
    """Raise a `TargetError` for the first check that does not hold."""
    for one in CHECKS:
        for where, expected, said in one(profile):
            raise complaint(profile.path, where, expected, said)


def the_name_can_stand_in_a_path(profile: TargetProfile) -> Iterator[Fault]:
    if not _NAME.fullmatch(profile.name):
        yield "name", "made of a-z, 0-9, '.', '_' and '-', and begin with a letter or a digit", profile.name


def the_aliases_are_other_names(profile: TargetProfile) -> Iterator[Fault]:
    names = [name.lower() for name in (profile.name, *profile.aliases)]
    if len(set(names)) < len(names):
        yield "aliases", "names that differ from the name and from each other, whatever their case", profile.aliases


def a_microcontroller_has_flash(profile: TargetProfile) -> Iterator[Fault]:
    if profile.kind == "mcu" and not profile.memory.flash_bytes:
        yield "memory.flash_bytes", "given for a microcontroller", None


def less_is_reserved_than_there_is(profile: TargetProfile) -> Iterator[Fault]:
    memory = profile.memory
    if memory.ram_reserved_bytes >= memory.ram_bytes:
        yield "memory.ram_reserved_bytes", f"less than ram_bytes = {memory.ram_bytes}", memory.ram_reserved_bytes
    if memory.flash_reserved_bytes and memory.flash_reserved_bytes >= memory.flash_bytes:
        expected = f"less than flash_bytes = {memory.flash_bytes}"
        yield "memory.flash_reserved_bytes", expected, memory.flash_reserved_bytes


def what_is_reserved_is_for_something(profile: TargetProfile) -> Iterator[Fault]:
    memory = profile.memory
    reserved = memory.ram_reserved_bytes + memory.flash_reserved_bytes
    if reserved and not memory.reserved_for.strip():
        yield "memory.reserved_for", f"said where {reserved} bytes are reserved", memory.reserved_for or None
    if memory.reserved_for and not reserved:
        yield "memory.reserved_for", "left out where nothing is reserved", memory.reserved_for


def one_piece_of_ram_is_no_larger_than_all(profile: TargetProfile) -> Iterator[Fault]:
    memory = profile.memory
    if memory.ram_contiguous_bytes > memory.ram_bytes:
        expected = f"at most ram_bytes = {memory.ram_bytes}"
        yield "memory.ram_contiguous_bytes", expected, memory.ram_contiguous_bytes


def the_flash_map_adds_up(profile: TargetProfile) -> Iterator[Fault]:
    total = sum(region.bytes for region in profile.memory.flash)
    if profile.memory.flash and total != profile.memory.flash_bytes:
        yield "memory.flash_bytes", f"the sum of the sectors of memory.flash, {total}", profile.memory.flash_bytes


def the_flash_map_is_in_order(profile: TargetProfile) -> Iterator[Fault]:
    for index, (lower, upper) in enumerate(pairwise(profile.memory.flash), 1):
        end = lower.start + lower.bytes
        if upper.start < end:
            yield f"memory.flash[{index}].start", f"at or behind the end of the region before it, {end:#x}", upper.start


def a_sector_is_whole_write_units(profile: TargetProfile) -> Iterator[Fault]:
    for index, region in enumerate(profile.memory.flash):
        if region.sector_bytes % region.write_bytes:
            expected = f"a divisor of sector_bytes = {region.sector_bytes}"
            yield f"memory.flash[{index}].write_bytes", expected, region.write_bytes


def only_a_system_has_an_os(profile: TargetProfile) -> Iterator[Fault]:
    if profile.kind == "mcu" and profile.os:
        yield "os", "left out for a microcontroller", profile.os.name
    if profile.kind != "mcu" and not profile.os:
        yield "os", f"a table where kind = '{profile.kind}'", None


def the_arch_fits_the_kind(profile: TargetProfile) -> Iterator[Fault]:
    fitting = BARE if profile.kind == "mcu" else tuple(BITS)
    if profile.cpu.arch not in fitting:
        yield "cpu.arch", f"one of {', '.join(fitting)} where kind = '{profile.kind}'", profile.cpu.arch


def the_os_fits_the_kind_and_the_arch(profile: TargetProfile) -> Iterator[Fault]:
    if profile.os is None:
        return
    if (profile.os.libc == "bionic") != (profile.kind == "android"):
        expected = "bionic" if profile.kind == "android" else "glibc or musl"
        yield "os.libc", f"{expected} where kind = '{profile.kind}'", profile.os.libc
    if profile.os.bits != BITS.get(profile.cpu.arch):
        yield "os.bits", f"those of cpu.arch = '{profile.cpu.arch}', {BITS.get(profile.cpu.arch)}", profile.os.bits


def versions_are_numbers(profile: TargetProfile) -> Iterator[Fault]:
    if profile.os is None:
        return
    if not _VERSION.fullmatch(profile.os.libc_version):
        yield "os.libc_version", "a version such as 2.36", profile.os.libc_version
    if profile.os.python and not re.fullmatch(r"3\.\d+", profile.os.python):
        yield "os.python", "a version such as 3.11, or left out", profile.os.python


def what_is_emulated_names_its_emulator(profile: TargetProfile) -> Iterator[Fault]:
    if profile.evidence == "emulated" and not profile.emulator:
        yield "emulator", "given where evidence = 'emulated'", None
    if profile.evidence == "emulated" and profile.kind == "mcu" and not profile.port:
        yield "port", "given for an emulated microcontroller", None


def the_kernels_are_those_of_the_runtime(profile: TargetProfile) -> Iterator[Fault]:
    runtime = profile.runtime
    if (runtime.kernels == "edgeq-micro") != (runtime.name == "edgeq-micro"):
        yield "runtime.kernels", f"those of runtime.name = '{runtime.name}'", runtime.kernels
    if runtime.name == "edgeq-micro" and runtime.modes != ("static_wi8_ai8",):
        yield "runtime.modes", "['static_wi8_ai8'], which is what edgeq-micro runs", list(runtime.modes)


def builtin_kernels_are_those_of_arm(profile: TargetProfile) -> Iterator[Fault]:
    if profile.runtime.kernels == "builtin" and not profile.cpu.arch.startswith(("arm", "aarch64")):
        yield "runtime.kernels", f"another family where cpu.arch = '{profile.cpu.arch}'", profile.runtime.kernels


def a_path_is_that_of_the_system_s_runtime(profile: TargetProfile) -> Iterator[Fault]:
    runtime = profile.runtime
    if runtime.path and runtime.name != "system":
        yield "runtime.path", f"left out where runtime.name = '{runtime.name}'", runtime.path
    if runtime.path and not runtime.path.startswith("/"):
        yield "runtime.path", "an absolute path", runtime.path


def a_runtime_is_named_once(profile: TargetProfile) -> Iterator[Fault]:
    names = (profile.runtime.name, *profile.runtime.alternatives)
    if len(set(names)) < len(names):
        expected = f"other runtimes than runtime.name = '{profile.runtime.name}', each once"
        yield "runtime.alternatives", expected, list(profile.runtime.alternatives)


def operators_are_spelled_as_in_a_model(profile: TargetProfile) -> Iterator[Fault]:
    lists: list[tuple[str, Sequence[str]]] = [("runtime.unsupported", profile.runtime.unsupported)]
    lists += [(f"accelerators[{i}].operators", item.operators) for i, item in enumerate(profile.accelerators)]
    for where, operators in lists:
        for operator in operators:
            if not _OPERATOR.fullmatch(operator):
                yield where, "made of names such as CONV_2D", operator


def no_delegate_takes_nothing(profile: TargetProfile) -> Iterator[Fault]:
    for index, item in enumerate(profile.accelerators):
        if bool(item.modes) != (item.delegate != "none"):
            expected = "empty where delegate = 'none'" if item.modes else f"given where delegate = '{item.delegate}'"
            yield f"accelerators[{index}].modes", expected, list(item.modes)


CHECKS: tuple[Check, ...] = (
    the_name_can_stand_in_a_path,
    the_aliases_are_other_names,
    a_microcontroller_has_flash,
    less_is_reserved_than_there_is,
    what_is_reserved_is_for_something,
    one_piece_of_ram_is_no_larger_than_all,
    the_flash_map_adds_up,
    the_flash_map_is_in_order,
    a_sector_is_whole_write_units,
    the_arch_fits_the_kind,
    only_a_system_has_an_os,
    the_os_fits_the_kind_and_the_arch,
    versions_are_numbers,
    what_is_emulated_names_its_emulator,
    the_kernels_are_those_of_the_runtime,
    builtin_kernels_are_those_of_arm,
    a_path_is_that_of_the_system_s_runtime,
    a_runtime_is_named_once,
    operators_are_spelled_as_in_a_model,
    no_delegate_takes_nothing,
)
