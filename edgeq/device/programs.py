"""The agent's own programs, run on a device by its host: `install`, `status`, `uninstall`, `update`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgeq.device.address import check_address, local_store
from edgeq.device.agentfile import agent_bytes, agent_path
from edgeq.device.bringup import FOLDER, NO_AGENT, NO_PYTHON, agent_name, no_python, push_agent
from edgeq.device.device import Progress, silent
from edgeq.errors import DeviceError, EdgeqError, LinkTimeout, UsageError
from edgeq.host.system import need_linux
from edgeq.link.base import last_line
from edgeq.protocol.status import Status

DEADLINE_S = 480.0
"""Longer than any of them takes: an update is on trial for at most five minutes."""

# $1 file name, $2 its size, then the program and what it is given.
RUN = (
    FOLDER + f'[ -f "$d/$1" ] && [ "$(wc -c < "$d/$1")" -eq "$2" ] || exit {NO_AGENT}; '
    f"command -v python3 > /dev/null || exit {NO_PYTHON}; "
    'a="$d/$1"; shift 2; exec python3 "$a" "$@"'
)


def run_program(
    address: str,
    arguments: Sequence[str],
    progress: Progress = silent,
    ask_password: Callable[[str], str] | None = None,
) -> dict[str, Any]:
    """Run one of the agent's programs, of this version, on a Linux device; the answer is its JSON document.

    `DeviceError` where it says no, in its words.
    """
    check_address(address)
    given = [arguments[0], *arguments[1:], "--json"]
    scheme, _, rest = address.partition(":")
    if scheme == "local":
        need_linux(address)
        return _answer(address, *_here(address, given))
    if scheme == "qemu":
        from edgeq import emulate

        name, _, instance = rest.partition("#")
        found = emulate.start(name, instance=instance or None, progress=progress)
        if not found.address.startswith("tcp:"):
            keys = {"identity": found.identity, "known_hosts": found.known_hosts}
            return _answer(address, *_there(found.address, given, progress, ask_password, **keys))
    if scheme != "ssh":
        raise UsageError(
            f"{address} is a microcontroller, whose firmware is all the agent it has.",
            "Give a Linux device: ssh://user@host, or local:.",
        )
    return _answer(address, *_there(address, given, progress, ask_password))


def _here(address: str, given: Sequence[str]) -> tuple[int, bytes, bytes]:
    command = [sys.executable, str(agent_path()), given[0], str(local_store(address)), *given[1:]]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise LinkTimeout(
            f"{address} did not end '{given[0]}' in time.", f"'edgeq agent status {address}' shows it."
        ) from error
    return done.returncode, done.stdout, done.stderr


def _there(
    address: str,
    given: Sequence[str],
    progress: Progress,
    ask_password: Callable[[str], str] | None,
    identity: Path | None = None,
    known_hosts: Path | None = None,
) -> tuple[int, bytes, bytes]:
    from edgeq.link.ssh import SshSession
    from edgeq.link.ssh_config import resolve

    agent = agent_bytes()
    target = resolve(address, identity=identity, known_hosts=known_hosts)
    argv = ["sh", "-c", RUN, "edgeq", agent_name(agent), str(len(agent)), *given]
    with SshSession(target, ask_password=ask_password) as session:
        done = session.run(argv, timeout_s=DEADLINE_S)
        if done.code == NO_AGENT:
            push_agent(session, agent, progress)
            done = session.run(argv, timeout_s=DEADLINE_S)
    if done.code == NO_PYTHON:
        raise no_python(address)
    return done.code, done.stdout, done.stderr


def _answer(address: str, code: int, stdout: bytes, stderr: bytes) -> dict[str, Any]:
    document = parse_answer(stdout.decode("utf-8", "replace"))
    if document is None:
        said = last_line(stderr) or f"exit code {code}"
        raise DeviceError(f"The agent of {address} did not run: {said}.", "'edgeq doctor' looks at the device.")
    if "error" in document:
        raise _error(address, document["error"])
    return document


def parse_answer(text: str) -> dict[str, Any] | None:
    """The last JSON object that begins a line: a login shell may print a greeting before it."""
    at = len(text)
    while (at := text.rfind("{", 0, at)) >= 0:
        if at and text[at - 1] != "\n":
            continue
        try:
            found = json.loads(text[at:])
        except ValueError:
            continue
        return found if isinstance(found, dict) else None
    return None


def _error(address: str, told: Any) -> EdgeqError:
    message = str(told.get("message", "")) if isinstance(told, dict) else ""
    hint = str(told.get("hint", "")) if isinstance(told, dict) else ""
    return DeviceError(message.replace("This device", address) or f"{address} says no.", hint, Status.STATE)
