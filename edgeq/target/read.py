"""One TOML file to one checked profile."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edgeq.errors import TargetError
from edgeq.target.checks import check
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
    SCHEMA,
    Accelerator,
    Cpu,
    Energy,
    FlashRegion,
    Memory,
    Os,
    Power,
    Runtime,
    TargetProfile,
)
from edgeq.target.table import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
MOST_BYTES = 1 << 50


def read_target(path: Path) -> TargetProfile:
    """Read and check one profile; a `TargetError` names the file, the key and what was expected."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TargetError(f"{path}: cannot be read as TOML: {error}.", "Compare with targets/rpi4.toml.") from error
    top = Table(path, "", data)
    if top.integer("schema", 1, 1_000_000) > SCHEMA:
        raise TargetError(f"{path}: schema {data['schema']} is newer than this edgeq's ({SCHEMA}).", "Upgrade edgeq.")
    if top.text("name") != path.stem:
        raise top.fail("name", f"the file's stem, '{path.stem}'")
    profile = TargetProfile(
        name=top.text("name"),
        title=top.text("title"),
        kind=top.text("kind", choices=KINDS),
        aliases=top.texts("aliases", default=[]),
        evidence=top.text("evidence", choices=EVIDENCE),
        cpu=_whole(top.table("cpu"), _cpu),
        memory=_whole(top.table("memory"), _memory),
        os=_whole(top.table("os"), _os) if "os" in data else None,
        accelerators=tuple(_whole(table, _accelerator) for table in top.tables("accelerators")),
        runtime=_whole(top.table("runtime"), _runtime),
        power=_whole(top.table("power"), _power) if "power" in data else None,
        energy=_whole(top.table("energy"), _energy) if "energy" in data else None,
        emulator=top.text("emulator", default=""),
        port=top.text("port", default=""),
        path=path,
    )
    top.done()
    check(profile)
    return profile


def _whole(table: Table, read: Callable[[Table], T]) -> T:
    """What `read` makes of `table`, with nothing in it left over."""
    made = read(table)
    table.done()
    return made


def _cpu(table: Table) -> Cpu:
    return Cpu(
        arch=table.text("arch", choices=ARCHITECTURES),
        core=table.text("core"),
        cores=table.integer("cores", 1, 1024),
        clock_hz=table.integer("clock_hz", 0, 10**11),
        features=table.texts("features", default=[], choices=FEATURES),
        source=table.text("source"),
    )


def _memory(table: Table) -> Memory:
    return Memory(
        ram_bytes=table.integer("ram_bytes", 1, MOST_BYTES),
        ram_reserved_bytes=table.integer("ram_reserved_bytes", 0, MOST_BYTES),
        ram_contiguous_bytes=table.integer("ram_contiguous_bytes", 0, MOST_BYTES, default=0),
        flash_bytes=table.integer("flash_bytes", 0, MOST_BYTES, default=0),
        flash_reserved_bytes=table.integer("flash_reserved_bytes", 0, MOST_BYTES, default=0),
        reserved_for=table.text("reserved_for", default=""),
        firmware_apart=table.flag("firmware_apart"),
        flash=tuple(_whole(region, _flash) for region in table.tables("flash")),
        source=table.text("source"),
    )


def _flash(table: Table) -> FlashRegion:
    return FlashRegion(
        start=table.integer("start", 0, (1 << 32) - 1),
        sector_bytes=table.integer("sector_bytes", 1, 1 << 30),
        sectors=table.integer("sectors", 1, 1 << 20),
        write_bytes=table.integer("write_bytes", 1, 1 << 20),
        erased=table.integer("erased", 0, 255, default=255),
        xip=table.flag("xip"),
    )


def _os(table: Table) -> Os:
    return Os(
        name=table.text("name"),
        libc=table.text("libc", choices=LIBCS),
        libc_version=table.text("libc_version"),
        python=table.text("python", default=""),
        bits=table.integer("bits", 32, 64),
        source=table.text("source"),
    )


def _accelerator(table: Table) -> Accelerator:
    return Accelerator(
        name=table.text("name"),
        kind=table.text("kind", choices=ACCELERATORS),
        delegate=table.text("delegate", choices=DELEGATES),
        modes=table.texts("modes", choices=MODES),
        operators=table.texts("operators", default=[]),
        source=table.text("source"),
    )


def _runtime(table: Table) -> Runtime:
    return Runtime(
        name=table.text("name", choices=RUNTIMES),
        version=table.text("version"),
        kernels=table.text("kernels", choices=KERNELS),
        threads=table.integer("threads", 1, 1024),
        modes=table.texts("modes", choices=MODES),
        golden_tolerance=table.integer("golden_tolerance", 0, 255),
        alternatives=table.texts("alternatives", default=[], choices=RUNTIMES),
        unsupported=table.texts("unsupported", default=[]),
        path=table.text("path", default=""),
        source=table.text("source"),
    )


def _power(table: Table) -> Power:
    return Power(
        active_mw=table.number("active_mw", 0, 1e7),
        error_pct=table.number("error_pct", 0, 1000),
        supply_v=table.number("supply_v", 0, 100),
        source=table.text("source"),
    )


def _energy(table: Table) -> Energy:
    return Energy(
        pj_per_mac=table.number("pj_per_mac", 0, 1e9),
        error_pct=table.number("error_pct", 0, 1000),
        supply_v=table.number("supply_v", 0, 100),
        source=table.text("source"),
    )
