"""Emulated microcontroller boards: one TOML file each, in `boards/`; nothing else names one."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).with_name("boards")


@dataclass(frozen=True)
class Board:
    """What QEMU is told to be this board. In `arguments`, `{flash}` stands for the file that is its flash."""

    name: str
    title: str
    program: str
    package: str
    icount_shift: int
    flash_bytes: int
    arguments: tuple[str, ...]

    @property
    def installed(self) -> bool:
        """Whether QEMU for it is there."""
        return shutil.which(self.program) is not None

    @property
    def install(self) -> str:
        """The one line that installs it."""
        return f"apt-get install -y {self.package}"

    def command(self, elf: Path, flash: Path, listen: str) -> tuple[str, ...]:
        """QEMU's command line; the first serial port listens at `listen`, and the board runs with nobody there."""
        # A comma ends a value of QEMU's options, two are one.
        path = str(flash).replace(",", ",,")
        return (
            self.program,
            *(argument.replace("{flash}", path) for argument in self.arguments),
            *("-icount", f"shift={self.icount_shift}"),
            *("-kernel", str(elf)),
            *("-serial", f"tcp:{listen},server=on,wait=off,nodelay=on"),
            *("-display", "none", "-monitor", "none"),
        )


@cache
def boards() -> dict[str, Board]:
    """Every board by name."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.toml"))}


def _read(path: Path) -> Board:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return Board(name=path.stem, **{**data, "arguments": tuple(data["arguments"])})
