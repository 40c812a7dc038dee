"""The verb `deploy`: a bundle becomes the release that serves on a device, or everything stays as it was."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from edgeq.bundle import Bundle
from edgeq.device.device import Device, Progress, silent
from edgeq.explained import explained
from edgeq.plan import Cargo, Fit, Piece, interface_changes, load, preflight
from edgeq.transaction.confirm import ConfirmPolicy
from edgeq.transaction.steps import Steps, Tell, unheard
from edgeq.transaction.transaction import Deployed, Transaction, require_space, user_name
from edgeq.units import format_bytes


def deploy(
    bundle: Bundle,
    device: Device,
    progress: Progress = silent,
    *,
    allow_interface_change: bool = False,
    runtime: str = "",
    wait_s: float = 0.0,
    watch: bool = True,
    events: Tell = unheard,
) -> Deployed:
    """Preflight, hold the device, send what is missing, verify, self-test, activate, and watch until the device has
    confirmed; at any failure the previous release still serves, and the error says which step failed and what serves.

    `DeviceError` with status INTERFACE where applications would meet another interface than that of the release that
    serves, unless that is allowed; with status BUSY where somebody else still changes the device after `wait_s`.
    `GateFailed` where the device went back; `edgeq.transaction.trial.Interrupted` after Ctrl-C. `runtime` as
    `edgeq.plan.preflight` has it. Without `watch` the answer is given as soon as the release serves on trial.
    """
    run = Transaction(_Parcel(bundle, device, runtime), device, Steps(progress, events))
    return run.run(allow_interface_change=allow_interface_change, wait_s=wait_s, watch=watch)


class _Parcel:
    """A bundle for one device, as `edgeq.transaction.Parcel` has it."""

    def __init__(self, bundle: Bundle, device: Device, runtime: str) -> None:
        self._bundle, self._device, self._runtime = bundle, device, runtime
        self.name, self.digest, self.pinned = bundle.name, bundle.digest, bool(runtime)
        self.who = _who(bundle.name)
        self._fit = Fit(ConfirmPolicy())

    @property
    def signed(self) -> bool:
        return self._fit.envelope is not None

    def preflight(self, _progress: Progress) -> ConfirmPolicy:
        self._fit = preflight(self._bundle, self._device, self._runtime)
        return self._fit.policy

    def changes(self, progress: Progress) -> tuple[str, ...] | None:
        return interface_changes(self._bundle, self._device, progress)

    def push(self, steps: Steps, runtime: bool = True) -> None:
        wheels = self._fit.wheels if runtime else ()
        push(load(self._bundle, wheels, self._device, steps.note), self._device, steps)

    def stage(self, progress: Progress, runtime: bool = True) -> int:
        wheels = [wheel.sha256 for wheel in self._fit.wheels] if runtime else ()
        system = self._fit.system if runtime else None
        return self._device.stage(self.digest, wheels, progress, system, self._fit.envelope)

    def selftest(self, n: int, progress: Progress) -> dict[str, Any]:
        with explained(self._device, progress=progress, deployed=self._bundle):
            return self._device.selftest(n, progress)


def push(cargo: Cargo, device: Device, steps: Steps) -> None:
    """Send the blobs that the device lacks, each resumed where an earlier try ended."""
    require_space(cargo.need_bytes, cargo.free_bytes, device.address)
    for piece in cargo.pieces:
        if piece.offset is None:
            continue
        if piece.offset:
            percent = 100 * piece.offset // max(1, piece.size_bytes)
            steps.note(f"{piece.name} resumes at {percent} %", file=piece.name, offset=piece.offset)
        device.put(piece.digest, piece.read(), piece.offset, _Meter(piece, steps))


class _Meter:
    """One line at the start of a larger file, and one every two seconds."""

    def __init__(self, piece: Piece, steps: Steps) -> None:
        self._piece, self._steps = piece, steps
        self._next = time.monotonic() + 2
        if piece.size_bytes > 1 << 20:
            steps.note(f"sending {piece.name} ({format_bytes(piece.size_bytes)})", **self._facts(piece.offset or 0))

    def __call__(self, acknowledged: int) -> None:
        if time.monotonic() > self._next:
            self._next += 2
            percent = 100 * acknowledged // max(1, self._piece.size_bytes)
            self._steps.note(f"sending {self._piece.name}: {percent} %", **self._facts(acknowledged))

    def _facts(self, offset: int) -> dict[str, Any]:
        return {"file": self._piece.name, "offset": offset, "size_bytes": self._piece.size_bytes}


def _who(name: str) -> str:
    """What others are told while this deploy holds the device."""
    return f"{user_name()}@{socket.gethostname()} (pid {os.getpid()}) deploys {name}"
