"""Power cuts and failing cells at every flash operation; and that this test would notice mistakes."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from cdrive import FIRMWARE, STRICT, Ask, Drive, build, need, sources
from once import once

PROMISES = {
    1: "what served before serves, or what was about to",
    2: "an acknowledged change stays",
    3: "what a record vouches for is there",
    4: "an acknowledged blob is there",
    5: "an acknowledged release keeps its number",
    6: "at most two sectors are sent again",
    7: "the same upload works again",
    8: "the next release can be installed",
    9: "and be taken back",
    10: "which a restart does not change",
    11: "flash is written as it has to be",
    12: "it starts",
    13: "what was erased is gone",
    14: "a trial runs no more often than it may",
    15: "a trial that a restart interrupted can end well and badly",
}
PARTS = ("equal", "l4", "h7", "f7", "nrf52", "rp2040")
"""`enum sim_part`: sectors and units of each, and whether what was cut short can be read."""


def power_cuts(drive: Ask, part: str, seed: int, stride: int) -> tuple[int, int, int, int, str]:
    """How many faults, after how many the old and the new served, whether the last broke a promise, and which."""
    tried, old, new, broken, *by = struct.unpack(
        "<9I", drive("power_cuts", struct.pack("<3I", seed, PARTS.index(part), stride))[1]
    )
    promise, story, fault, fill, operation = by
    return tried, old, new, broken, f"{PROMISES.get(promise)}: {story=} {fault=} {fill=} {operation=}"


def check(drive: Ask, part: str, seed: int, stride: int) -> int:
    """Every promise holds after every fault; the answer is how many there were."""
    tried, old, new, broken, by = power_cuts(drive, part, seed, stride)
    assert broken == 0, f"{part} {seed=}: {by}"
    assert old > 0 and new > 0 and old + new == tried
    return tried


def test_after_any_fault_the_old_or_the_new_release_serves(tmp_path: Path) -> None:
    """At every 113th operation; `make cuts` takes them all."""
    drive = Drive(build("gcc", tmp_path / "drive", "-O2"))
    assert sum(check(drive, part, seed, 113) for part in PARTS[1:] for seed in range(2)) > 3_500
    drive.close()


@pytest.mark.parametrize("part", PARTS[1:])
def test_no_fault_upsets_the_sanitizers(drive: Ask, part: str) -> None:
    check(drive, part, 3, 401)


# One mistake each: a file, what stands there, what the mistake makes of it.
MISTAKES = {
    "a record is believed without its CRC": ("eq_log.c", "record->crc == eq_crc32(0, record, CRC_BYTES) &&", ""),
    "a torn record is written over": (
        "eq_log.c",
        "        written = is_written(log, record);\n        log->at += stride(flash);",
        "        written = is_written(log, record);",
    ),
    "a start goes on in the sector in use": (
        "eq_log.c",
        "log->newest = log->sector = sector;",
        "log->newest = log->sector = sector, log->at = at + stride(flash);",
    ),
    "what cannot be read is read": (
        "eq_sectors.c",
        "return flash->read(flash->context, offset, data, bytes);",
        "(void)flash->read(flash->context, offset, data, bytes);",
    ),
    "the sector with the newest record is erased": ("eq_log.c", "other = 1 - log->newest", "other = 1 - log->sector"),
    "the log is not read back": ("eq_log.c", "if (written)", "if (written || tries < TRIES)"),
    "a trial's restarts are not counted": ("eq_slots.c", "next.starts++;", ""),
    "a trial runs before its restart is counted": (
        "eq_slots.c",
        "eq_slots_save(slots, &next) == EQ_OK ? EQ_OK : give_up(slots, trial, EQ_WHY_FLASH, EQ_IO)",
        "EQ_OK",
    ),
    "a trial that is over goes on": ("eq_slots.c", "slots->now.state[trial] = EQ_SLOT_BAD;", ""),
    "the slot that serves is the inbox": ("eq_slots.c", "if (slot != slots->now.current && state", "if (state"),
    "what is vouched for is erased": (
        "eq_slots_receive.c",
        "if (eq_slots_save(slots, &next) != EQ_OK || erase(slots, slot, start) != EQ_OK)",
        "if (erase(slots, slot, start) != EQ_OK || eq_slots_save(slots, &next) != EQ_OK)",
    ),
    "no sector is erased ahead": (
        "eq_slots_receive.c",
        "->bytes ? erase(slots, slot, next) : EQ_OK",
        "->bytes ? EQ_OK : EQ_OK",
    ),
    "all sectors are as long as the first": (
        "eq_slots_receive.c",
        "eq_sector_end(flash, slot, at) - at);\n    eq_slots_busy",
        "eq_sector_end(flash, slot, 0));\n    eq_slots_busy",
    ),
    "a half-written sector is not erased again": ("eq_slots.c", ".unclean = 1}", ".unclean = 0}"),
    "a failed write is not undone": (
        "eq_slots_receive.c",
        "slots->off = eq_sector_begin(slots->flash, slot, start + last) - start;",
        "(void)start;",
    ),
    "a whole blob that is not recorded is not wanted again": (
        "eq_slots_receive.c",
        "EQ_SLOT_ARRIVED)) != EQ_OK) {\n        go_back(slots, slot);",
        "EQ_SLOT_ARRIVED)) != EQ_OK) {",
    ),
    "a change is made that was not recorded": (
        "eq_slots.c",
        "if (status == EQ_OK) {\n        slots->now",
        "{ slots->now",
    ),
    "a blob is not hashed": (
        "eq_slots_receive.c",
        "int status = eq_slots_check_part(slots, slot, eq_slots_arriving(slots, slot));",
        "int status = EQ_OK;",
    ),
    "a blob goes on behind its end": (
        "eq_slots_receive.c",
        "while (at <= last) {",
        "while (at < eq_slot_bytes(flash, slot)) {",
    ),
    "a number is used again": ("eq_slots.c", "next.next++", "next.next"),
    "what serves may be erased": ("eq_slots_receive.c", "slot == current || ", ""),
    "what is erased still counts": (
        "eq_slots_receive.c",
        "status = *at == 0 ? forget(slots, slot) : EQ_OK",
        "status = EQ_OK",
    ),
    "the last sector is not erased": ("eq_slots_receive.c", "return *at <", "return *at + bytes <"),
    "what looks erased may not be": (
        "eq_slots_receive.c",
        "status != EQ_OK || !eq_flash_is_blank(flash, offset, bytes)",
        "status != EQ_OK",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_noticed(tmp_path: Path, name: str) -> None:
    file, right, wrong = MISTAKES[name]
    need("gcc")
    text = (FIRMWARE / "core" / file).read_text()
    assert text.count(right) == 1
    (tmp_path / file).write_text(text.replace(right, wrong))
    others = [path for path in once("drive-objects", compile_right).glob("*.o") if path.stem != Path(file).stem]
    compile_one(tmp_path / file, tmp_path / "wrong.o", "-w")
    subprocess.run(["gcc", *others, tmp_path / "wrong.o", "-o", tmp_path / "drive"], check=True)
    drive = Drive(tmp_path / "drive")
    noticed = any(power_cuts(drive, part, seed, 7)[3] for seed in (3, 7, 2) for part in PARTS[1:])
    drive.close()
    assert noticed


def compile_right(folder: Path) -> None:
    for source in sources():
        compile_one(source, folder / f"{source.stem}.o")


def compile_one(source: Path, made: Path, *flags: str) -> None:
    include = (f"-I{FIRMWARE / folder}" for folder in ("include", "core", "tests"))
    subprocess.run(["gcc", *STRICT, "-O1", *flags, *include, "-c", source, "-o", made], check=True)
