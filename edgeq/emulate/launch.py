"""One start of an instance: furnish its folder, spawn the supervisor, wait for the guest's sshd; and its end."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edgeq.emulate.keys import known_hosts_line, make_key
from edgeq.emulate.plan import Plan, Seat
from edgeq.emulate.process import ProcessId, alive, end, identify
from edgeq.emulate.recipe_namespaces import maps_all_ids
from edgeq.emulate.recipes import Choice
from edgeq.emulate.rootfs import UID, USER, Progress
from edgeq.emulate.sshd import MARKER, sshd_config
from edgeq.emulate.state import HOST, READABLE, Instance, Record, folder_of, read_record, write_record
from edgeq.emulate.userlands import Userland
from edgeq.errors import UsageError
from edgeq.host.paths import write_whole

STOP_GRACE_S = 20.0
PORT_TRIES = 3


def launch(userland: Userland, folder: Path, root: Path, choice: Choice, progress: Progress) -> Instance:
    """Start by one recipe."""

    def start(port: int) -> Instance:
        seat = Seat(userland, folder, root, port, secrets.token_hex(8))
        plan = _furnish(seat, choice, progress)
        record = _spawn(seat, choice, plan)
        _await_banner(record, plan.banner_timeout_s)
        return record.instance

    return on_free_port(folder, read_port(folder), start)


def on_free_port(folder: Path, last: int, start: Callable[[int], Instance]) -> Instance:
    """What `start` gives with the port of the last start if it is free, else with another one.

    Again where somebody took the port in between; what did not come up is ended.
    """
    (folder / "log").unlink(missing_ok=True)
    for port in (last, *(0,) * (PORT_TRIES - 1)):
        try:
            return start(free_port(port))
        except UsageError as error:
            end_instance(folder)
            failed = error
            if not port_was_taken(folder / "log"):
                break
    raise failed


def _furnish(seat: Seat, choice: Choice, progress: Progress) -> Plan:
    """Keys, configuration and home of the instance; the recipe's plan."""
    etc = seat.folder / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    etc.chmod(0o755)
    make_key(seat.folder / "identity", f"edgeq-{seat.folder.name}")
    make_key(etc / "ssh_host_ed25519_key", "edgeq-emulated")
    write_whole(etc / "authorized_keys", (seat.folder / "identity.pub").read_text(encoding="ascii"), READABLE)
    write_whole(etc / "sshd_config", sshd_config(seat.cookie, seat.userland.qemu_user_cpu), READABLE)
    known = known_hosts_line(etc / "ssh_host_ed25519_key.pub", HOST, seat.port)
    write_whole(seat.folder / "known_hosts", known, READABLE)
    user_home = seat.folder / "home" / USER
    user_home.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        _own(user_home, UID if choice.name == "namespaces" and maps_all_ids() else 0)
    plan = choice.plan(seat, progress)
    write_whole(etc / "emulated", f"{plan.emulated}\n", READABLE)
    return plan


def _own(folder: Path, uid: int) -> None:
    """Give `folder` and all in it to `uid`, unless it is theirs: recipes differ in who the guest's user is outside."""
    if folder.stat().st_uid == uid:
        return
    for parent, folders, files in os.walk(folder):
        for entry in (*folders, *files):
            os.chown(Path(parent, entry), uid, uid, follow_symlinks=False)
    os.chown(folder, uid, uid)


def free_port(last: int) -> int:
    """The port of the last start if it is free, so that a known address stays; else any free one."""
    for port in (last, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise UsageError(f"There is no free port on {HOST}.", "Close something.")


def read_port(folder: Path) -> int:
    """The port in known_hosts, 0 where there is none."""
    try:
        return int((folder / "known_hosts").read_text(encoding="ascii").partition("]:")[2].split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def _spawn(seat: Seat, choice: Choice, plan: Plan) -> Record:
    """Start the plan and write the state file."""
    process = spawn(seat.folder, seat.cookie, plan)
    instance = Instance(
        name=seat.userland.name,
        recipe=choice.name,
        why=choice.why,
        address=f"ssh://{USER}@{HOST}:{seat.port}",
        known_hosts=seat.folder / "known_hosts",
        identity=seat.folder / "identity",
        pid=process.pid,
        key=seat.folder.name,
    )
    record = Record(instance, process, seat.cookie, seat.port)
    write_record(seat.folder, record)
    return record


def spawn(folder: Path, cookie: str, plan: Plan) -> ProcessId:
    """Start the supervisor in a session of its own; it holds the plan's command, and `folder/log` what that says."""
    script = Path(__file__).with_name("supervise.py")
    marker = f"{MARKER}={cookie}"
    command = [sys.executable, "-I", "-S", str(script), marker, plan.powerdown, str(plan.grace_s), *plan.command]
    log = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = (
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(folder / "log"), log, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    )
    pid = os.posix_spawn(sys.executable, command, {**os.environ, MARKER: cookie}, file_actions=files, setsid=True)
    found = identify(pid)
    _children.append(pid)
    if not found:
        raise failure(folder, "ended at once")
    return found


_children: list[int] = []
"""Supervisors started by this process: they outlive it, but while it lives it has to reap those that end."""


def _reap() -> None:
    for pid in _children[:]:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                _children.remove(pid)
        except ChildProcessError:
            _children.remove(pid)


def _await_banner(record: Record, timeout_s: float) -> None:
    """Wait until the sshd of this very start answers: its banner ends in the cookie."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if record.cookie in _banner(record.port, max(0.05, min(2.0, deadline - time.monotonic()))):
            return
        if not alive(record.process):
            raise failure(folder_of(record.instance.key), "ended while starting")
        time.sleep(0.02)
    raise failure(folder_of(record.instance.key), f"gave no SSH banner within {timeout_s:.0f} s")


def _banner(port: int, timeout_s: float) -> str:
    try:
        with socket.create_connection((HOST, port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            return connection.recv(256).decode("ascii", "replace")
    except OSError:
        return ""


def failure(folder: Path, what: str) -> UsageError:
    """The error for an emulator that did not start, with the end of its log."""
    try:
        text = (folder / "log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    tail = [line.strip() for line in text.splitlines() if line.strip()][-6:]
    return UsageError(
        f"The emulator of '{folder.name}' {what}; its log ends with: {' | '.join(tail) or 'nothing'}.",
        f"The whole log is {folder / 'log'}; 'edgeq doctor' says what this machine allows.",
    )


def port_was_taken(log: Path) -> bool:
    """Whether the emulator says that somebody else has its port."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return "Address already in use" in text or "Could not set up host forwarding" in text


def end_instance(folder: Path) -> bool:
    """End what the state file names, if it lives, and forget it."""
    record = read_record(folder)
    ended = bool(record) and end(record.process, f"{MARKER}={record.cookie}", STOP_GRACE_S) if record else False
    _reap()
    (folder / "state.json").unlink(missing_ok=True)
    return ended
