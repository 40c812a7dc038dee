"""`python3 edgeq-agent.pyz PROGRAM`: what the host starts on the device, and what people and services start there."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path

if sys.version_info < (3, 9):  # noqa: UP036  (a device may have anything)
    raise SystemExit(f"edgeq-agent: needs Python 3.9 or newer; this is {sys.version.split()[0]}")

USAGE = """usage: edgeq-agent attach [ROOT] | serve [ROOT] | version
       edgeq-agent apply FILE.eqb [ROOT] [--json] [--dry-run] [--wait SECONDS] [--no-wait] [--allow-interface-change]
       edgeq-agent status [ROOT] | rollback [ROOT] [--from N]
       edgeq-agent install [ROOT] [--supervised] | uninstall [ROOT] | update [ROOT] | supervise [ROOT]"""


def main(arguments: list[str]) -> int:
    """Run one of the agent's programs; ROOT is the store's folder."""
    command, given = (arguments[0] if arguments else ""), arguments[1:]
    try:
        if command in ("attach", "serve"):
            return _daemon(command, given)
        if command == "worker":
            from edgeq.agent import worker

            worker.main(given[0] if given else "", int(given[1]) if len(given) > 1 else 0)
            return 0
        from edgeq.agent import programs

        if command in programs.PROGRAMS:
            return programs.main(command, given, default_root())
    except OSError as error:
        print(f"edgeq-agent: {_failure(error)}", file=sys.stderr)
        return 1
    if command == "version":
        import edgeq

        print(edgeq.__version__)
        return 0
    print(USAGE, file=sys.stderr)
    return 2


def _daemon(command: str, given: list[str]) -> int:
    from edgeq.agent import daemon

    root = Path(given[0]) if given else default_root()
    if command == "attach":
        return daemon.attach(root)
    # Ending in good order does not count as a crash during a trial.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # As a service it has no idle end.
    return daemon.serve(root, float("inf")) if given[1:] == ["--stay"] else daemon.serve(root)


def _failure(error: OSError) -> str:
    """What is wrong, and where a folder that cannot be written is the reason, what helps."""
    what = f"{error.filename or 'error'}: {error.strerror or error}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        what += "; make it writable, or set XDG_DATA_HOME on the device to a folder on a disk that is"
    return what


def default_root() -> Path:
    """`$XDG_DATA_HOME/edgeq/store`, by default under ~/.local/share."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "edgeq" / "store"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
