"""Agents of other versions, and broken ones: the zipapp with something added to its modules."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from edgeq.device.agentfile import agent_bytes

CRASHES = {"edgeq/agent/daemon.py": "def serve(*_):\n    raise SystemExit(3)\n"}
HANGS = {"edgeq/agent/daemon.py": "def serve(*_):\n    time.sleep(3600)\n"}
WRONG = {
    "edgeq/agent/golden.py": "def compare(*_):\n    raise Refused(Status.SELFTEST, 'it computes something else')\n",
}


def another(path: Path, added: dict[str, str] | None = None, version: str = "0.2.0") -> str:
    """Write an agent that says `version`, with code added at the end of some modules; the answer is its SHA-256."""
    buffer, more = io.BytesIO(), {"edgeq/__init__.py": f"__version__ = '{version}'\n", **(added or {})}
    with zipfile.ZipFile(io.BytesIO(agent_bytes())) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            text = more.get(name, "")
            new.writestr(name, old.read(name) + (f"\n{text}".encode() if text else b""))
    path.write_bytes(buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def processes(root: Path, program: str = "serve") -> list[int]:
    """The processes that run a program of the agent on this store."""
    wanted, found = b"\0%s\0%s\0" % (program.encode(), os.fsencode(root)), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found += [int(process.name)] * (wanted in (process / "cmdline").read_bytes())
    return found


def until(truth: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something that comes by itself."""
    deadline = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
