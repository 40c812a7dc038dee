"""The confirm policy as a microcontroller gets it: 12 bytes of the image's envelope, which a signature covers."""

from __future__ import annotations

import math
import struct

from edgeq.errors import UsageError
from edgeq.transaction.confirm import ConfirmPolicy

POLICY = struct.Struct("<IHHI")
"""window_s, good, starts, latency_us: bytes 84..95, `firmware_stubs/DESIGN.md` section 9."""
PLAIN = bytes(POLICY.size)
"""A trial that ends with its self-test, and that any restart ends badly."""
_MOST_US = (1 << 32) - 1
_CANNOT = {
    "health": "it runs no commands",
    "on_activate": "it runs no commands",
    "manual": "it decides alone",
    "bad": "the first inference reported as bad ends its trial",
    "memory_bytes": "what a model needs there is known when it is built; 'edgeq check' compares it with the board",
}
"""Keys that only a Linux device can do, and why a microcontroller cannot."""


def policy_bytes(policy: ConfirmPolicy) -> bytes:
    """The envelope's bytes; times are rounded up. `UsageError` names what no microcontroller can do."""
    for key, why in _CANNOT.items():
        if getattr(policy, key) != getattr(ConfirmPolicy(), key):
            raise UsageError(
                f"The confirm policy's '{key}' cannot be kept by a microcontroller: {why}.",
                f"Leave '{key}' out for this target; it can do 'window_s', 'good', 'starts' and 'latency_ms'.",
            )
    latency_us = math.ceil(policy.latency_ms * 1000)
    if latency_us > _MOST_US:
        raise UsageError(
            f"The confirm policy's 'latency_ms' is {policy.latency_ms:g}; the most is {_MOST_US / 1000:.0f}.",
            "Use a smaller number, or 0 for no limit.",
        )
    return POLICY.pack(math.ceil(policy.window_s), policy.good, policy.starts, latency_us)
