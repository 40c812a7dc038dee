"""Start, stop and list emulated devices. An instance outlives the process that started it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from edgeq.emulate.boards import Board, boards
from edgeq.emulate.firmware import firmware_elf
from edgeq.emulate.launch import end_instance, launch
from edgeq.emulate.launch_board import FLASH, is_outdated, launch_board
from edgeq.emulate.machine import machine
from edgeq.emulate.recipes import choices, forced_recipe
from edgeq.emulate.rootfs import Progress, rootfs
from edgeq.emulate.state import Instance, all_running, check_key, check_name, folder_of, running
from edgeq.emulate.userlands import Userland, userlands
from edgeq.errors import EdgeqError, UsageError
from edgeq.host.lock import locked
from edgeq.host.system import need_linux

START_TIMEOUT_S = 1800.0
"""Of the lock: the first start fetches and unpacks the userland."""

STOP_TIMEOUT_S = 300.0


def _silent(_line: str) -> None:
    return


def start(
    name: str,
    *,
    instance: str | None = None,
    recipe: str | None = None,
    reset: bool = False,
    progress: Callable[[str], None] = _silent,
) -> Instance:
    """Start the emulated device `name`, or find it running; returns when its sshd answers or its serial line listens.

    `instance` tells apart several of one name (`NAME#INSTANCE` says it too); `recipe` (else EDGEQ_EMULATOR_RECIPE)
    forces one of RECIPES for the Pi; `reset` begins with an empty home or erased flash. A microcontroller that runs
    with other firmware than the present one is started anew. `UsageError` says what is missing here, or quotes the
    emulator's log.
    """
    name, key = _name_and_key(name, instance)
    check_name(name)
    need_linux("An emulated board")
    folder = folder_of(key)
    board = boards().get(name)
    forced = _forced_for(board, recipe) if board else forced_recipe(recipe)
    elf = firmware_elf(name) if board else None
    try:
        with locked(
            folder / "lock", START_TIMEOUT_S, lambda: progress(f"Waiting for another process that starts {key}")
        ):
            if record := running(key):
                _check_running(record.instance, name, forced)
                if not reset and not (elf and is_outdated(folder, elf)):
                    return record.instance
            end_instance(folder)
            if reset:
                _forget_home(folder)
            if board and elf:
                progress(f"Emulated {name}: {board.title}")
                return launch_board(board, folder, elf)
            return _start_best(userlands()[name], folder, forced, progress)
    except OSError as error:
        raise UsageError(
            f"The emulated device '{key}' could not be started: {error}.", "EDGEQ_HOME names the folder it lives in."
        ) from error


def fetch(name: str, *, recipe: str | None = None, progress: Callable[[str], None] = _silent) -> None:
    """Fill the caches that a start needs, so that it works with EDGEQ_OFFLINE=1 afterwards."""
    check_name(name)
    if name in boards():
        return
    need_linux("An emulated board")
    userland = userlands()[name]
    root = rootfs(userland, progress)
    if _best_recipe(userland, forced_recipe(recipe)) == "system":
        machine(root, progress)


def _best_recipe(userland: Userland, forced: str | None) -> str:
    for candidate in choices(userland, forced):
        choice = candidate("")
        if not isinstance(choice, str):
            return choice.name
    return ""


def stop(name: str, *, instance: str | None = None) -> bool:
    """End the instance and all its processes; True if there was something to end. Its home or flash stays."""
    name, key = _name_and_key(name, instance)
    folder = folder_of(key)
    if not folder.is_dir():
        if key == name:
            check_name(name)
        return False
    with locked(folder / "lock", STOP_TIMEOUT_S):
        return end_instance(folder)


def instances() -> list[Instance]:
    """Those that live."""
    return [record.instance for record in all_running()]


def _name_and_key(name: str, instance: str | None) -> tuple[str, str]:
    name, _, written = name.partition("#")
    return name, check_key(instance or written or name)


def _forced_for(board: Board, recipe: str | None) -> str | None:
    if recipe not in (None, board.program):
        raise UsageError(f"A {board.name} is emulated by {board.program} only.", "Leave the recipe away.")
    return None


def _check_running(instance: Instance, name: str, forced: str | None) -> None:
    if instance.name != name:
        raise UsageError(
            f"The instance '{instance.key}' is a {instance.name}, not a {name}.", "Choose another instance name."
        )
    if forced and instance.recipe != forced:
        raise UsageError(
            f"'{instance.key}' runs already, by recipe {instance.recipe}; '{forced}' was asked for.",
            f"Stop it first: edgeq emulate stop {instance.key}",
        )


def _forget_home(folder: Path) -> None:
    shutil.rmtree(folder / "home", ignore_errors=True)
    for name in ("home.ext4", FLASH):
        (folder / name).unlink(missing_ok=True)


def _start_best(userland: Userland, folder: Path, forced: str | None, progress: Progress) -> Instance:
    """Try the recipes in order; one that works in a dry run but not in earnest gives way to the next."""
    against: list[str] = []
    for candidate in choices(userland, forced):
        choice = candidate("; not ".join(against))
        if isinstance(choice, str):
            against.append(choice)
            continue
        progress(f"Emulated {userland.name}: recipe {choice.name} ({choice.why})")
        root = rootfs(userland, progress)
        try:
            return launch(userland, folder, root, choice, progress)
        except EdgeqError as error:
            if forced:
                raise
            against.append(f"{choice.name}: {error.message}")
    if forced:
        raise UsageError(
            f"The recipe '{forced}' does not work on this machine: {against[0].partition(': ')[2]}.",
            "Without a forced recipe (EDGEQ_EMULATOR_RECIPE) the best that works is taken.",
        )
    raise UsageError(
        f"No way of emulating a {userland.name} works on this machine: {'; '.join(against)}.",
        "apt-get install -y qemu-user-static proot qemu-system-arm e2fsprogs",
    )
