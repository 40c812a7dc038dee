"""`edgeq` that is killed at one of its messages: `killed_host.py N WAY COUNT-FILE ARGUMENTS...`.

WAY is `before` the N-th message leaves, when `half` of it has left, or `after` it has left, whose answer nobody reads.
Repeated questions after a job are one message. With N = 0 it lives; COUNT-FILE gets the number of messages.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from edgeq.link.frames import Frames
from edgeq.protocol import contract, smp


def main() -> int:
    at, way, count_file = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    send, count, last = Frames.send, 0, (0, 0, 0)

    def counting(self: Frames, message: bytes, timeout_s: float) -> int:
        nonlocal count, last
        found = smp.decode(message)
        command = (found.op, found.group, found.command)
        repeated, last = command == last == contract.JOB, command
        count += not repeated
        if count == at and not repeated:
            if way != "before":
                frame = self.framing.encode(message)
                self.link.send(frame[: len(frame) // 2] if way == "half" else frame, timeout_s)
            os.kill(os.getpid(), signal.SIGKILL)
        return send(self, message, timeout_s)

    Frames.send = counting  # type: ignore[method-assign]
    from edgeq.cli import main as edgeq

    sys.argv[1:] = sys.argv[4:]
    try:
        edgeq()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        count_file.write_text(str(count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
