"""Instances of emulated devices and what is written down about them, under `EDGEQ_HOME/emulators/<key>/`.

lock         held by whoever starts or stops this instance
state.json   the running instance; replaced whole, removed by stop
log          of the emulator and the guest's sshd, begun anew at every start

An emulated Pi also has:
identity     private key that logs in, with identity.pub; known_hosts beside it
etc/         laid over /etc/edgeq in the guest: sshd_config, host keys, authorized_keys, emulated
home/        laid over /home in the guest; survives stop (recipe system keeps home.ext4 instead)

A microcontroller:
firmware.elf what it runs; a start with other firmware replaces it
flash.bin    its flash, which survives stop; port, the TCP port of its serial line, to be used again
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from edgeq.emulate.boards import boards
from edgeq.emulate.process import ProcessId, alive
from edgeq.emulate.userlands import userlands
from edgeq.errors import UsageError
from edgeq.host.paths import home, write_whole

RECIPES = ("namespaces", "proot", "system")
READABLE = 0o644
"""Others read it, too: users of an emulated machine are others here."""
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Instance:
    """A running emulated device. `address` is ssh://pi@127.0.0.1:PORT, where `known_hosts` and `identity` are for ssh,
    or tcp://127.0.0.1:PORT, the serial line of a microcontroller, where they are None."""

    name: str
    recipe: str
    why: str
    address: str
    known_hosts: Path | None
    identity: Path | None
    pid: int
    key: str
    """What tells apart instances of one name; the name itself unless another was given to `start`."""


@dataclass(frozen=True)
class Record:
    """An instance, the identity of its supervisor, and the marker that its processes carry."""

    instance: Instance
    process: ProcessId
    cookie: str
    port: int


def check_name(name: str) -> None:
    """`UsageError` with near names unless an emulated device is called `name`."""
    names = (*userlands(), *boards())
    if name not in names:
        near = difflib.get_close_matches(name.lower(), names, 1, 0.4)
        hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(names)}."
        raise UsageError(f"There is no emulated device '{name}'.", hint)


def check_key(key: str) -> str:
    """`key`, if it can name a folder."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", key):
        raise UsageError(
            f"'{key}' cannot name an instance.", "Use letters, digits, dot, dash and underscore; at most 64."
        )
    return key


def folder_of(key: str) -> Path:
    """Everything of one instance."""
    return home() / "emulators" / key


def running(key: str) -> Record | None:
    """The record of an instance that lives, or None."""
    record = read_record(folder_of(key))
    return record if record and alive(record.process) else None


def read_record(folder: Path) -> Record | None:
    """What was last started in `folder`, alive or not; None where nothing was, or where the file is damaged."""
    try:
        data = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        process = ProcessId(int(data["pid"]), int(data["start_ticks"]), str(data["boot_id"]))
        by_ssh = str(data["address"]).startswith("ssh:")
        instance = Instance(
            name=str(data["name"]),
            recipe=str(data["recipe"]),
            why=str(data["why"]),
            address=str(data["address"]),
            known_hosts=folder / "known_hosts" if by_ssh else None,
            identity=folder / "identity" if by_ssh else None,
            pid=process.pid,
            key=folder.name,
        )
        return Record(instance, process, str(data["cookie"]), int(data["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(folder: Path, record: Record) -> None:
    """Replace state.json whole."""
    instance = record.instance
    data = {
        "name": instance.name,
        "recipe": instance.recipe,
        "why": instance.why,
        "address": instance.address,
        "pid": record.process.pid,
        "start_ticks": record.process.start_ticks,
        "boot_id": record.process.boot_id,
        "cookie": record.cookie,
        "port": record.port,
    }
    write_whole(folder / "state.json", json.dumps(data, indent=1) + "\n", READABLE)


def all_running() -> list[Record]:
    """Every instance that lives, by key."""
    folder = home() / "emulators"
    keys = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [record for key in keys if (record := running(key))]
