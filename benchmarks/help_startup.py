"""What `edgeq --help` costs against an empty typer application with as many commands, in CPU seconds.

Both run in turn, many times, each as a fresh process of this Python; the bar is the ratio of the medians. It also fails
where `edgeq --help` imports a heavy library. Run `python benchmarks/help_startup.py [--rounds N]`; exit 1: bar missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import typer.main

from edgeq.cli import app

BAR = 1.3
HEAVY = ("tensorflow", "keras", "paramiko", "numpy", "serial", "ai_edge_litert", "sklearn")
OURS = "import sys; sys.argv = ['edgeq', '--help']; from edgeq.cli import main; main()"
THEIRS = "import sys; sys.argv = ['empty', '--help']; from empty_application import app; app()"


def empty_application(commands: dict[str, Any], name: str = "app") -> str:
    """The source of a typer application with these commands and groups, none of which does or takes anything."""
    lines = [f"{name} = typer.Typer()"]
    for number, (title, command) in enumerate(commands.items()):
        inner = f"{name}_{number}"
        if hasattr(command, "commands"):
            lines += [empty_application(command.commands, inner), f"{name}.add_typer({inner}, name={title!r})"]
        else:
            lines += [f"@{name}.command({title!r})", f"def {inner}() -> None:", f'    """Do {title}."""']
    return "\n".join(lines)


def cpu_seconds(code: str, folder: Path) -> float:
    """User and system time of one process that runs `code`; what it prints is thrown away."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, cwd=folder, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"'{code}' ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def heavy_imports() -> list[str]:
    """Which of `HEAVY` a process has imported when it ends after `edgeq --help`."""
    look = f"import atexit, sys; atexit.register(lambda: print(*set({HEAVY!r}) & set(sys.modules), file=sys.stderr))"
    code = f"{look}\n{OURS}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stderr.split()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    commands: dict[str, Any] = getattr(typer.main.get_command(app), "commands")  # noqa: B009
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty_application.py").write_text(f"import typer\n{empty_application(commands)}\n", encoding="utf-8")
        for code in (OURS, THEIRS):  # writes the byte code, fills the page cache
            cpu_seconds(code, folder)
        pairs = [(cpu_seconds(OURS, folder), cpu_seconds(THEIRS, folder)) for _ in range(rounds)]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    heavy = heavy_imports()
    print(
        f"edgeq --help: {ours * 1e3:.0f} ms CPU; empty typer application with {len(commands)} commands: "
        f"{theirs * 1e3:.0f} ms; ratio {ours / theirs:.2f} (bar {BAR}), medians of {rounds} rounds in turn"
    )
    print(f"heavy libraries imported: {', '.join(heavy) or 'none'}")
    return int(ours / theirs > BAR or bool(heavy))


if __name__ == "__main__":
    sys.exit(main())
