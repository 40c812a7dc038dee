"""Emulated devices behind addresses like `qemu:rpi4`: a Raspberry Pi 4's userland with an sshd of its own.

::

    start ── rootfs (apt, sources) ── recipe: namespaces │ proot │ system ── supervise ── sshd banner ──> Instance
"""

from edgeq.emulate.lifecycle import fetch, instances, start, stop
from edgeq.emulate.recipes import Recipe, probe
from edgeq.emulate.state import Instance

__all__ = ["Instance", "Recipe", "fetch", "instances", "probe", "start", "stop"]
