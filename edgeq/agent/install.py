"""`edgeq-agent install`, `uninstall`, `status` and `update`: the agent as a service of its user.

Where systemd manages the user's services it is a unit; elsewhere a supervised process. Both run the same supervisor.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeq.agent import installed
from edgeq.agent.errors import Refused
from edgeq.agent.files import replace_link, sha256_of
from edgeq.agent.here import Gone, Here
from edgeq.agent.installed import SUPERVISED, SYSTEMD, UNIT, Installed
from edgeq.agent.process import archive
from edgeq.protocol import contract, smp
from edgeq.protocol.status import Status

START_S = 60.0
STOP_S = 30.0
BUSY_S = 60.0
UPDATE_S = 300.0


def install(root: Path, supervised: bool = False) -> dict[str, Any]:
    """Let this very agent serve the store `root` for good; again it replaces what was installed. The answer is
    `status`."""
    source = _own()
    sha = sha256_of(source)
    mode = SUPERVISED if supervised or not has_systemd() else SYSTEMD
    before = _before(root)
    installed.folder(root).mkdir(parents=True, exist_ok=True)
    _stop(root)
    for name in (installed.agent_file(root, sha), installed.folder(root) / "supervisor.pyz"):
        installed.add_file(root, source, name)
    previous = before.current if before and before.current != sha else before.previous if before else ""
    now = Installed(sha, mode, previous)
    installed.write(root, now)
    installed.forget_others(root, now)
    _end_agent(root)
    if mode == SYSTEMD:
        _write_unit(root)
        _systemctl("daemon-reload")
        _systemctl("enable", UNIT)
        _systemctl("restart", UNIT)
    else:
        _remove_unit()
        _spawn(root)
    _await_service(root)
    return status(root)


def uninstall(root: Path) -> dict[str, Any]:
    """End the service and forget it; the store and its releases stay. `was` says whether there was one."""
    was = _before(root) is not None or installed.folder(root).exists()
    _stop(root)
    _remove_unit()
    shutil.rmtree(installed.folder(root), ignore_errors=True)
    source = archive()
    if source is not None and (root / "agent.pyz").is_symlink() and not (root / "agent.pyz").exists():
        replace_link(root / "agent.pyz", str(source))  # Applications import it by this name.
    return {"was": was, "store": str(root)}


def status(root: Path) -> dict[str, Any]:
    """What is installed, whether it runs, and what is to be said of it."""
    found = installed.read(root)
    answer: dict[str, Any] = {"store": str(root), "installed": found is not None, "agent": None, "serving": None}
    if found is not None:
        answer.update(mode=found.mode, sha=found.current, trial=found.trial or None, why=found.why)
        answer.update(supervisor=installed.supervisor(root), log=str(installed.folder(root) / "log"))
        answer["findings"] = installed.findings(found.mode)
        answer["unit" if found.mode == SYSTEMD else "cron"] = (
            str(unit_path()) if found.mode == SYSTEMD else cron_line(root)
        )
    with contextlib.suppress(Gone, Refused, OSError), Here(root, start=False) as here:
        facts, state = here.ask(contract.DESCRIBE, {}), here.ask(contract.RELEASES, {})
        answer["agent"] = {key: facts.get(key) for key in ("agent", "agent_sha", "service")}
        number = state["current"] if state["trial"] is None else state["trial"]
        names = {item["n"]: (item["name"], item["state"]) for item in state["releases"]}
        if number is not None:
            answer["serving"] = {"n": number, "name": names[number][0], "state": names[number][1]}
        own = answer.get("findings", [])  # An agent of this version says them as well.
        answer["findings"] = [*own, *(item for item in facts.get("findings", []) if item not in own)]
    return answer


def update(root: Path) -> dict[str, Any]:
    """Put this very agent on trial in place of the one that is installed, and wait for the supervisor's verdict.

    `Refused` where it did not stand its trial: the former agent serves again. Once begun it goes on without us.
    """
    source = _own()
    sha = sha256_of(source)
    found = installed.read(root)
    if found is None:
        raise Refused(Status.STATE, f"no agent is installed as a service for {root}; install it first")
    if found.current == sha and not found.trial:
        return {**status(root), "changed": False}
    if not installed.supervisor(root):
        raise Refused(Status.STATE, "the service does not run, so that nobody could go back; start or install it first")
    if found.trial and found.trial != sha:
        raise Refused(Status.BUSY, f"another new agent ({found.trial[:12]}) is on trial; wait for its end")
    _no_release_on_trial(root)
    installed.add_file(root, source, installed.agent_file(root, sha))
    installed.write(root, replace(found, trial=sha, starts=0, why=""))
    try:
        _end_agent(root)
    except (Refused, Gone) as error:
        installed.revert(root, f"the agent at work does not end: {error}")
        raise
    return {**_verdict(root, sha), "changed": True}


def _verdict(root: Path, sha: str) -> dict[str, Any]:
    deadline = time.monotonic() + UPDATE_S
    while time.monotonic() < deadline:
        now = installed.read(root)
        if now is not None and not now.trial:
            _await_service(root)
            if now.current == sha:
                return status(root)
            raise Refused(Status.SELFTEST, f"the new agent was given up: {now.why}; the former one is at work again")
        time.sleep(0.1)
    raise Refused(Status.TIMEOUT, "the new agent is still on trial; its supervisor ends that by itself")


def _no_release_on_trial(root: Path) -> None:
    with Here(root, start=False) as here:
        trial = here.ask(contract.RELEASES, {})["trial"]
    if trial is not None:
        raise Refused(Status.STATE, f"release {trial} is on trial; wait for its end, confirm it or roll it back")


def _own() -> Path:
    source = archive()
    if source is None:
        raise Refused(Status.UNSUPPORTED, "only an agent that is one file, edgeq-agent.pyz, can be installed")
    return source


def _before(root: Path) -> Installed | None:
    try:
        return installed.read(root)
    except Refused:
        return None  # Damaged, or newer: it is written anew.


# the two ways to be started


def has_systemd() -> bool:
    """Whether systemd manages services of this user."""
    try:
        return _systemctl("show-environment", check=False) == 0
    except Refused:
        return False


def unit_path() -> Path:
    """Where the unit lies."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user" / UNIT


def unit_text(root: Path, python: str = sys.executable) -> str:
    """The unit. A start limit would leave the device without an agent after a crash loop, which a trial ends."""
    command = [python, str(installed.folder(root) / "supervisor.pyz"), "supervise", str(root)]
    return f"""[Unit]
Description=edgeq agent: the models of this device
StartLimitIntervalSec=0

[Service]
Type=simple
ExecStart={" ".join(map(_quoted, command))}
Restart=always
RestartSec=2
TimeoutStopSec=30
KillMode=mixed

[Install]
WantedBy=default.target
"""


def _quoted(word: str) -> str:
    """One word of a command of systemd, whatever it holds."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def cron_line(root: Path) -> str:
    """What `crontab -e` must hold for a start at boot without systemd; its owner writes it there, nobody else."""
    command = [sys.executable, str(installed.folder(root) / "supervisor.pyz"), "supervise", str(root)]
    words = " ".join("'" + word.replace("'", "'\\''").replace("%", "\\%") + "'" for word in command)
    return f"@reboot {words}"


def _write_unit(root: Path) -> None:
    path = unit_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(unit_text(root), encoding="utf-8")
    part.replace(path)


def _remove_unit() -> None:
    if unit_path().exists():
        with contextlib.suppress(Refused):
            _systemctl("disable", "--now", UNIT)
        unit_path().unlink(missing_ok=True)
        with contextlib.suppress(Refused):
            _systemctl("daemon-reload")


def _systemctl(*arguments: str, check: bool = True) -> int:
    environment = dict(os.environ)
    runtime = Path(f"/run/user/{os.getuid()}")
    if "XDG_RUNTIME_DIR" not in environment and runtime.is_dir():
        environment["XDG_RUNTIME_DIR"] = str(runtime)  # A session without a terminal may lack it.
    try:
        command = ["systemctl", "--user", *arguments]
        done = subprocess.run(command, capture_output=True, timeout=60, env=environment, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(Status.UNSUPPORTED, f"systemctl --user {arguments[0]} does not run: {error}") from error
    if check and done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise Refused(Status.UNKNOWN, f"systemctl --user {' '.join(arguments)}: {said[-1][:200]}")
    return done.returncode


def _spawn(root: Path) -> None:
    with (installed.folder(root) / "log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, str(installed.folder(root) / "supervisor.pyz"), "supervise", str(root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )


def _stop(root: Path) -> None:
    """End the supervisor and its agent, where they run."""
    if unit_path().exists():
        with contextlib.suppress(Refused):
            _systemctl("stop", UNIT)
    number = installed.supervisor(root)
    if number > 1:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while installed.supervisor(root):
        if time.monotonic() > deadline:
            raise Refused(Status.TIMEOUT, f"the supervisor (process {number}) does not end")
        time.sleep(0.05)


def _end_agent(root: Path) -> None:
    """Have an agent that is at work end in good order; jobs are waited for."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            with Here(root, start=False) as here:
                here.ask((smp.WRITE, smp.GROUP_OS, smp.OS_RESET), {})
            return
        except Gone:
            return
        except Refused as refused:
            if time.monotonic() > deadline:
                raise Refused(Status.BUSY, "the agent is busy with a job; try again when it is done") from refused
            time.sleep(0.2)


def _await_service(root: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            with Here(root, start=False) as here:
                if here.ask(contract.DESCRIBE, {}).get("service"):
                    return
        except (Gone, Refused):
            pass
        if time.monotonic() > deadline:
            log = installed.folder(root) / "log"
            lines = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
            said = f": {lines[-1][:200]}" if lines else ""
            raise Refused(Status.TIMEOUT, f"the service did not answer within {START_S:g} s; see {log}{said}")
        time.sleep(0.1)
