"""From an SSH session to a link with a running agent: attach if it is there, else look, push, attach.

The usual case is one round trip. Remote work is four fixed scripts for any POSIX shell; what varies reaches them as
positional arguments or over stdin, so nothing is ever pasted into a command. The scripts hold no newline, backslash or
exclamation mark, so that login shells as different as fish and csh pass them on unchanged.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgeq.errors import DeviceError, EdgeqError, LinkError
from edgeq.link.base import Link, last_line
from edgeq.link.ssh import Completed, SshSession
from edgeq.protocol.status import Status
from edgeq.units import format_bytes

OLDEST_PYTHON = (3, 9)
SPARE_BYTES = 1 << 20
ATTACH_S = 30.0
QUICK_ATTACH_S = 10.0
PUSH_S = 60.0
MAX_NOISE_BYTES = 1 << 16
NO_AGENT, NO_PYTHON = 44, 45
MARK = b"edgeq-agent-follows\n"

# Where the agent lives. Every script begins with it.
FOLDER = 'd="${XDG_DATA_HOME:-$HOME/.local/share}/edgeq"; '

# $1 file name, $2 its size. The mark ends whatever the login shell's start-up files print.
ATTACH = (
    FOLDER + f'[ -f "$d/$1" ] && [ "$(wc -c < "$d/$1")" -eq "$2" ] || exit {NO_AGENT}; '
    f"command -v python3 > /dev/null || exit {NO_PYTHON}; "
    "echo edgeq-agent-follows; "
    'exec python3 "$d/$1" attach'
)

PROBE = (
    FOLDER + "LC_ALL=C; export LC_ALL; echo; "
    'echo "machine=$(uname -m)"; '
    """echo "python=$(command -v python3 > /dev/null && python3 -c 'import sys; print(*sys.version_info[:2])' 2>&1"""
    """ | tail -n 1)"; """
    'echo "dir=$d"; '
    'echo "refusal=$( { mkdir -p "$d" && touch "$d/.probe.$$" && rm "$d/.probe.$$"; } 2>&1 | tail -n 1)"; '
    'echo "df=$(df -Pk "$d" 2>&1 | tail -n 1)"'
)

# $1 file name, $2 its size, $3 its SHA-256, $4 the program that checks them; the bytes come over stdin.
PUSH = (
    FOLDER + 'LC_ALL=C; export LC_ALL; umask 077; mkdir -p "$d" || exit 1; p="$d/$1.$$.part"; '
    """trap 'rm -f "$p"' EXIT; trap 'exit 1' HUP INT TERM; """
    'cat > "$p" && python3 -c "$4" "$p" "$2" "$3" && mv -f "$p" "$d/$1"'
)

# On the disk before it gets its name: a name stands for its content, also after a power cut.
CHECK = (
    "import hashlib, os, sys; f = open(sys.argv[1], 'rb'); b = f.read(); os.fsync(f.fileno()); "
    "sys.exit(0 if len(b) == int(sys.argv[2]) and hashlib.sha256(b).hexdigest() == sys.argv[3] "
    "else 'what arrived is not what was sent')"
)


@dataclass(frozen=True)
class DeviceProbe:
    """What the device said before the push. `python` is None where there is none; `refusal` is empty where the folder
    can be written; `free_bytes` is None where `df` gave no number."""

    machine: str
    python: tuple[int, int] | None
    python_said: str
    folder: str
    refusal: str
    free_bytes: int | None


def agent_name(agent: bytes) -> str:
    """The file name that stands for these bytes."""
    return f"agent-{hashlib.sha256(agent).hexdigest()[:16]}.pyz"


class Program(Link, Protocol):
    """A link to a program on the device: how it ended (None while it runs or where nobody knows), its last words."""

    @property
    def code(self) -> int | None: ...
    @property
    def stderr(self) -> bytes: ...


class Starts(Protocol):
    """What starts programs on a device: `SshSession` or `Openssh`."""

    name: str

    def start(self, argv: Sequence[str]) -> Program: ...


def bring_up(session: SshSession, agent: bytes, *, progress: Callable[[str], None] = lambda _: None) -> Link:
    """A link to the running agent, pushed first where the device lacks it.

    `DeviceError` says what the device has not (python3, a new enough one, room, a folder that can be written) or the
    last words of an agent that would not start; `LinkError` where the connection breaks. Running it again converges.
    """
    link = _attach(session, agent)
    if link is None:
        push_agent(session, agent, progress)
        link = _attach(session, agent)
    if link is None:
        raise DeviceError(
            f"The agent that was pushed to {session.name} is gone again.",
            "Does something clean up ~/.local/share/edgeq on the device?",
            Status.IO,
        )
    return link


def push_agent(session: SshSession, agent: bytes, progress: Callable[[str], None] = lambda _: None) -> None:
    """Put the agent into its place on the device; `DeviceError` says what the device lacks."""
    progress(f"looking at {session.name}")
    require(_probe(session), session.name, len(agent))
    progress(f"pushing the agent to {session.name} ({format_bytes(len(agent))})")
    _push(session, agent)


def attach_quickly(way: Starts, agent: bytes) -> Link | None:
    """A link to the agent where it is there and nothing is in the way; None means that `bring_up` finds out."""
    try:
        return _attach(way, agent, QUICK_ATTACH_S)
    except EdgeqError:
        return None


def _attach(session: Starts, agent: bytes, timeout_s: float = ATTACH_S) -> Link | None:
    """The link, or None where the device has no such agent."""
    link = session.start(["sh", "-c", ATTACH, "edgeq", agent_name(agent), str(len(agent))])
    try:
        return _AttachedLink(link, _skip_noise(link, timeout_s))
    except LinkError as error:
        link.close()
        if link.code == NO_AGENT:
            return None
        if link.code == NO_PYTHON:
            raise no_python(session.name) from error
        if link.code is None:
            raise
        said = last_line(link.stderr) or f"exit code {link.code}"
        raise DeviceError(
            f"The agent did not start on {session.name}: {said}.", "Does 'ssh' run commands there at all?"
        ) from error
    except BaseException:
        link.close()
        raise


def _skip_noise(link: Link, timeout_s: float) -> bytes:
    """What follows the mark; a login shell may print a greeting before it."""
    seen = b""
    while MARK not in seen:
        if len(seen) > MAX_NOISE_BYTES:
            raise DeviceError(
                f"{link.name} prints {format_bytes(len(seen))} and more before it runs a command.",
                "Silence the login shell's start-up files on the device for sessions without a terminal.",
            )
        seen += link.receive(timeout_s)
    return seen.partition(MARK)[2]


class _AttachedLink:
    """The agent's link, with the bytes that came along with the mark put back in front."""

    def __init__(self, link: Link, first: bytes) -> None:
        self.name, self.lossy, self._link, self._first = link.name, link.lossy, link, first
        self.send, self.close = link.send, link.close

    def receive(self, timeout_s: float) -> bytes:
        first, self._first = self._first, b""
        return first or self._link.receive(timeout_s)


def _probe(session: SshSession) -> DeviceProbe:
    done = session.run(["sh", "-c", PROBE, "edgeq"])
    if done.code != 0:
        raise _failed(session.name, "could not be looked at", done)
    return parse_probe(done.stdout.decode("utf-8", "replace"))


def parse_probe(text: str) -> DeviceProbe:
    """Read what `PROBE` printed; lines before it (greetings of a login shell) and unknown keys are ignored."""
    facts = {key: value.strip() for key, equals, value in (line.partition("=") for line in text.splitlines()) if equals}
    version = re.fullmatch(r"(\d{1,3}) (\d{1,3})", facts.get("python", ""))
    # Blocks, used, available, capacity: counted from the percent sign, for a device's name may hold blanks.
    free = re.search(r"\s(\d+)\s+-?\d+\s+(-?\d+)\s+\d+%\s", facts.get("df", ""))
    return DeviceProbe(
        machine=facts.get("machine", ""),
        python=(int(version[1]), int(version[2])) if version else None,
        python_said=facts.get("python", ""),
        folder=facts.get("dir", ""),
        refusal=facts.get("refusal", ""),
        free_bytes=max(0, int(free[2])) * 1024 if free else None,
    )


def require(probe: DeviceProbe, shown: str, agent_bytes: int) -> None:
    """Raise a `DeviceError` for the first thing that the device lacks to run the agent."""
    if probe.python is None and not probe.python_said:
        raise no_python(shown)
    if probe.python is None:
        raise DeviceError(
            f"The python3 of the device at {shown} does not run: {probe.python_said}.",
            "sudo apt install --reinstall python3-minimal on the device",
            Status.UNSUPPORTED,
        )
    if probe.python < OLDEST_PYTHON:
        raise DeviceError(
            f"The device at {shown} has Python {probe.python[0]}.{probe.python[1]}, which is too old.",
            f"The agent needs Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer: upgrade the device's system.",
            Status.UNSUPPORTED,
        )
    full = "no space" in probe.refusal.lower() or "quota" in probe.refusal.lower()
    if full or (probe.free_bytes is not None and probe.free_bytes < agent_bytes + SPARE_BYTES):
        raise no_space(shown, probe.free_bytes, agent_bytes)
    if probe.refusal:
        raise DeviceError(
            f"The folder {probe.folder} on {shown} cannot be written: {probe.refusal}.",
            "Make it writable, or set XDG_DATA_HOME on the device to a folder that is.",
            Status.IO,
        )


def no_python(shown: str) -> DeviceError:
    """The error for a device without Python."""
    return DeviceError(
        f"The device at {shown} has no python3.", "sudo apt install python3 on the device", Status.UNSUPPORTED
    )


def no_space(shown: str, free_bytes: int | None, agent_bytes: int) -> DeviceError:
    """The error for a full device."""
    free = f"{format_bytes(free_bytes)} free" if free_bytes is not None else "no room"
    needed = format_bytes(agent_bytes + SPARE_BYTES)
    return DeviceError(
        f"The device at {shown} has {free}, and the agent needs {needed}.",
        "Delete something on the device, or set XDG_DATA_HOME there to a folder with room.",
        Status.NO_SPACE,
    )


def _push(session: SshSession, agent: bytes) -> None:
    digest = hashlib.sha256(agent).hexdigest()
    argv = ["sh", "-c", PUSH, "edgeq", agent_name(agent), str(len(agent)), digest, CHECK]
    done = session.run(argv, stdin=agent, timeout_s=PUSH_S)
    if b"No space left" in done.stderr or b"quota" in done.stderr:
        raise no_space(session.name, None, len(agent))
    if done.code != 0:
        raise _failed(session.name, "did not take the agent", done)


def _failed(shown: str, what: str, done: Completed) -> DeviceError:
    said = last_line(done.stderr) or f"exit code {done.code}"
    return DeviceError(f"{shown} {what}: {said}.", "Run the same command again; nothing was changed.", Status.IO)
