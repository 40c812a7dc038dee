"""The agent as a service, on disk: which agent is started, which one is on trial, and who looks after it.

::

    ROOT/service/service.json        replaced by rename: `Installed`
    ROOT/service/agent-<sha>.pyz     agents; the one that serves and the one before it
    ROOT/service/supervisor.pyz      the agent that looks after them; renewed only by 'install'
    ROOT/service/lock, log           held by the supervisor that runs; what it and the agents print
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from edgeq.agent.errors import Refused
from edgeq.agent.files import replace_json, sha256_of, sync_file, sync_folder
from edgeq.protocol.status import Status

SCHEMA = 1
SYSTEMD, SUPERVISED = "systemd", "supervised"
UNIT = "edgeq-agent.service"
STARTS = 3
"""So often an agent on trial is started."""


@dataclass(frozen=True)
class Installed:
    """Agents are named by the SHA-256 of their file. `starts` counts those of the one on trial; `why` says how the last
    trial ended."""

    current: str
    mode: str
    previous: str = ""
    trial: str = ""
    starts: int = 0
    why: str = ""


def folder(root: Path) -> Path:
    """Where the service of a store keeps its files."""
    return root / "service"


def read(root: Path) -> Installed | None:
    """What is installed; None where nothing is, IO where the file is damaged."""
    path = folder(root) / "service.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] > SCHEMA:
            raise Refused(Status.NEWER, f"{path} was written by a newer agent")
        known = {field.name for field in fields(Installed)}
        return Installed(**{key: value for key, value in data.items() if key in known})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(Status.IO, f"{path} is damaged: {error!r}; install the agent again") from error


def write(root: Path, installed: Installed) -> None:
    """Make this the durable one."""
    replace_json(folder(root) / "service.json", {"schema": SCHEMA, **asdict(installed)})


def agent_file(root: Path, sha: str) -> Path:
    """Where the agent of this digest lies."""
    return folder(root) / f"agent-{sha[:16]}.pyz"


def add_file(root: Path, source: Path, name: Path) -> None:
    """Copy an agent into its place, durably; a name stands for its content."""
    folder(root).mkdir(parents=True, exist_ok=True)
    part = name.with_suffix(".part")
    shutil.copyfile(source, part)
    sync_file(part)
    part.replace(name)
    sync_folder(name.parent)


def forget_others(root: Path, installed: Installed) -> None:
    """Remove agents that are neither at work nor gone back to."""
    kept = {agent_file(root, sha) for sha in (installed.current, installed.previous, installed.trial) if sha}
    for path in folder(root).glob("agent-*.pyz"):
        if path not in kept:
            with contextlib.suppress(OSError):
                path.unlink()


def next_start(root: Path, spare: Path | None = None) -> tuple[Path, bool]:
    """The agent to start now, and whether it is on trial; its start is counted before. One that is damaged is passed
    over; `spare` is the last resort."""
    found = read(root)
    if found is not None and found.trial:
        starts = found.starts + 1
        path = agent_file(root, found.trial)
        if starts > STARTS:
            revert(root, f"the new agent was started {starts - 1} times during its trial")
        elif not _is(path, found.trial):
            revert(root, "the new agent's file is damaged")
        else:
            write(root, replace(found, starts=starts))
            return path, True
    for sha in (found.current, found.previous) if found is not None else ():
        if sha and _is(agent_file(root, sha), sha):
            return agent_file(root, sha), False
    if spare is None:
        raise Refused(Status.NOT_FOUND, f"{folder(root)} holds no sound agent; install it again")
    return spare, False


def not_counted(root: Path) -> None:
    """The start that was just counted was none: another agent was at work."""
    found = read(root)
    if found is not None and found.trial and found.starts:
        write(root, replace(found, starts=found.starts - 1))


def confirm(root: Path) -> None:
    """The agent on trial is the one from now on."""
    found = read(root)
    if found is not None and found.trial:
        why = "it answered, and what serves passed its self-test"
        now = replace(found, current=found.trial, previous=found.current, trial="", starts=0, why=why)
        write(root, now)
        forget_others(root, now)


def revert(root: Path, why: str) -> None:
    """The agent on trial is not started again."""
    found = read(root)
    if found is not None and found.trial:
        write(root, replace(found, trial="", starts=0, why=why[:300]))


def supervisor(root: Path) -> int:
    """The process that looks after the agent; 0 where none does."""
    try:
        with (folder(root) / "lock").open("r", encoding="ascii") as lock:
            try:
                # Shared: of two that look at once, neither takes the other for a supervisor.
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(lock.read() or "1")
    except (OSError, ValueError):
        pass
    return 0


def lingers() -> bool:
    """Whether systemd starts this user's services without a login."""
    import getpass

    try:
        return (Path("/var/lib/systemd/linger") / getpass.getuser()).exists()
    except (OSError, KeyError, ImportError):
        return False


def findings(mode: str) -> list[dict[str, str]]:
    """What is to be said of a service: `code`, `severity`, `message` and `hint`."""
    if mode == SYSTEMD and not lingers():
        return [
            {
                "code": "no-linger",
                "severity": "warning",
                "message": "lingering is disabled: the agent ends with the last login, and does not start at boot",
                "hint": f"sudo loginctl enable-linger {os.environ.get('USER') or '$USER'}",
            }
        ]
    if mode == SUPERVISED:
        return [
            {
                "code": "not-at-boot",
                "severity": "info",
                "message": "the agent is supervised, without systemd: nothing starts it at boot",
                "hint": "'edgeq agent status' shows a line for cron's @reboot.",
            }
        ]
    return []


def _is(path: Path, sha: str) -> bool:
    try:
        return sha256_of(path) == sha
    except OSError:
        return False
