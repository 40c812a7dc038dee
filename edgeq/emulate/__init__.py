"""Emulated devices behind addresses like `qemu:rpi4` and `qemu:mps2-an386`.

Userlands of Raspberry Pis with an sshd of their own (`userlands/`), and microcontroller boards (`boards/`) that run our
firmware::

    start ─┬ rootfs (apt, sources) ── recipe: namespaces │ proot │ system ── supervise ── sshd banner ─┬─> Instance
           └ board file ── firmware, flash ── qemu-system ──────────────── supervise ── serial line ───┘
"""

from edgeq.emulate.lifecycle import fetch, instances, start, stop
from edgeq.emulate.recipes import Recipe, probe
from edgeq.emulate.state import Instance

__all__ = ["Instance", "Recipe", "fetch", "instances", "probe", "start", "stop"]
