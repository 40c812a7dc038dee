"""Recipe B: a whole arm64 machine in qemu-system."""
from __future__ import annotations
from edgeq.emulate.plan import Plan, Seat
from edgeq.emulate.rootfs import Progress
def try_system() -> tuple[bool, str]:
    return False, "unwritten"
def plan_system(seat: Seat, progress: Progress) -> Plan:
    raise NotImplementedError
