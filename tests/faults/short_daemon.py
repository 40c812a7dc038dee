"""The agent's daemon with short patience, so that a model that hangs takes a case seconds: `short_daemon.py PYTHON
AGENT.pyz serve ROOT`, as `fault_lab.Daemon` puts it in front of the daemon's command."""

from __future__ import annotations

import sys
from pathlib import Path

VECTOR_S = INVOKE_S = 4.0


def main() -> int:
    _, agent, _, root = sys.argv[1:]
    sys.path[0] = agent  # so that the agent is the zipapp, as everywhere
    from edgeq.agent import daemon, golden, service

    golden.VECTOR_TIMEOUT_S, service.INVOKE_TIMEOUT_S = VECTOR_S, INVOKE_S
    return daemon.serve(Path(root))


if __name__ == "__main__":
    sys.exit(main())
