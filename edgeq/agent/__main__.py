"""`python3 edgeq-agent.pyz attach|serve|worker|version`: what the host starts on the device."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.version_info < (3, 9):  # noqa: UP036  (a device may have anything)
    raise SystemExit(f"edgeq-agent: needs Python 3.9 or newer; this is {sys.version.split()[0]}")

USAGE = "usage: edgeq-agent attach [ROOT] | serve [ROOT] | version"


def main(arguments: list[str]) -> int:
    """Run one of the agent's programs; ROOT is the store's folder."""
    command = arguments[0] if arguments else ""
    try:
        if command in ("attach", "serve"):
            from edgeq.agent import daemon

            root = Path(arguments[1]) if len(arguments) > 1 else default_root()
            return daemon.attach(root) if command == "attach" else daemon.serve(root)
        if command == "worker":
            from edgeq.agent import worker

            worker.main(arguments[1] if len(arguments) > 1 else "")
            return 0
    except OSError as error:
        print(f"edgeq-agent: {error.filename or 'error'}: {error.strerror or error}", file=sys.stderr)
        return 1
    if command == "version":
        import edgeq

        print(edgeq.__version__)
        return 0
    print(USAGE, file=sys.stderr)
    return 2


def default_root() -> Path:
    """`$XDG_DATA_HOME/edgeq/store`, by default under ~/.local/share."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "edgeq" / "store"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
