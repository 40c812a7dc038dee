"""What a model's process may take, so that one that leaks ends alone: its memory, and its place when memory runs out.

The limit is one of writable memory of its own (RLIMIT_DATA): file mappings, such as the model's, do not count. A
runtime takes about 100 MB of it before any model does, most of which it never touches.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import threading
import time
from pathlib import Path

from edgeq.agent.facts import parse_meminfo

SHARE = 0.75
"""Of the device's memory, where nothing else is said."""
ROOM_BYTES = 256 << 20
"""More than a policy allows, so that a model somewhat too large is measured and named rather than ended."""
VICTIM = 500
"""oom_score_adj: of two that take as much, the kernel ends this one; the agent has 0."""
LOOK_S = 2.0


def memory_limit(model: Path) -> int:
    """Bytes for the process of the model in a release's folder; 0 where nothing is known."""
    try:
        manifest = json.loads((model.parent / "manifest.json").read_bytes())
        policy = int(manifest.get("confirm", {}).get("memory_bytes", 0))
    except (OSError, ValueError, TypeError, AttributeError):
        policy = 0
    return limit_for(policy, _memory())


def limit_for(policy_bytes: int, ram_bytes: int) -> int:
    """The limit for what a policy allows (0: anything) on a device with so much memory (0: unknown)."""
    share = max(ROOM_BYTES, int(SHARE * ram_bytes)) if ram_bytes else 0
    if not policy_bytes:
        return share
    asked = policy_bytes + max(policy_bytes, ROOM_BYTES)
    return min(share, asked) if share else asked


def confine(limit_bytes: int) -> None:
    """For the process that calls it: keep to the limit, be the first victim, write no core."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(VICTIM), encoding="ascii")
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if limit_bytes:
            most = resource.getrlimit(resource.RLIMIT_DATA)[1]
            within = limit_bytes if most == resource.RLIM_INFINITY else min(limit_bytes, most)
            resource.setrlimit(resource.RLIMIT_DATA, (within, within))


def end_with_parent() -> None:
    """End this process and its group soon after its parent is gone, also where a model hangs."""
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=look, name="parent", daemon=True).start()


def _memory() -> int:
    try:
        return parse_meminfo(Path("/proc/meminfo").read_text(encoding="ascii", errors="replace"))
    except OSError:
        return 0
