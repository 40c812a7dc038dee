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
    """What QEMU is told to be this board.

    In `arguments`, `{flash}` stands for the file that is the memory in which its flash lies: `memory_bytes` of it, the
    flash from `flash_offset`. Without these the file is flash from end to end.
    """

    name: str
    title: str
    program: str
    package: str
    icount_shift: int
    flash_bytes: int
    arguments: tuple[str, ...]
    memory_bytes: int = 0
    flash_offset: int = 0

    @property
    def installed(self) -> bool:
        """Whether QEMU for it is there."""
        return shutil.which(self.program) is not None

    @property
    def install(self) -> str:
        """The one line that installs it."""
        return f"apt-get install -y {self.package}"

    @property
    def file_bytes(self) -> int:
        """Length of the file."""
        return self.memory_bytes or self.flash_bytes

    def make_flash(self, path: Path) -> None:
        """Erased flash at `path`, whole or not at all; memory around it is a hole. What has the length stays."""
        if path.is_file() and path.stat().st_size == self.file_bytes:
            return
        part = path.with_name(f".{path.name}.part")
        with part.open("wb") as file:
            file.seek(self.flash_offset)
            file.write(b"\xff" * self.flash_bytes)
            file.truncate(self.file_bytes)
        part.replace(path)

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
