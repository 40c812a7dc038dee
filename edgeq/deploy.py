"""The verb `deploy`: a bundle becomes the release that serves on a device, or everything stays as it was."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from edgeq import steps as step_names
from edgeq import trial
from edgeq.aftermath import tell_serving
from edgeq.bundle import Bundle
from edgeq.confirm import describe_policy
from edgeq.device.device import Device, Progress, Release, Watched, silent
from edgeq.errors import DeviceError, EdgeqError, LinkError, ProtocolError
from edgeq.plan import (
    Cargo,
    Fit,
    Piece,
    interface_changes,
    load,
    preflight,
    require_interface,
    require_space,
)
from edgeq.protocol.status import Status
from edgeq.steps import Steps, Tell, unheard
from edgeq.units import format_bytes

RETRY_S = 1.0
_ALONE = (step_names.ACTIVATE, step_names.GATES, step_names.WATCH, step_names.CONFIRM)
"""From here on the device needs nobody."""


@dataclass(frozen=True)
class Deployed:
    """What serves after a deploy. `changed` is false where it served already; `golden` is the device's self-test;
    `state` is "trial" where the device has not decided yet; `signed` where it keeps signatures of the bundle."""

    n: int
    digest: str
    previous: int | None
    changed: bool
    sent_bytes: int
    golden: dict[str, Any] = field(default_factory=dict)
    state: str = trial.CONFIRMED
    signed: bool = False


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
    `GateFailed` where the device went back; `edgeq.trial.Interrupted` after Ctrl-C. `runtime` as
    `edgeq.plan.preflight` has it. Without `watch` the answer is given as soon as the release serves on trial.
    """
    run = _Deploy(bundle, device, Steps(progress, events))
    try:
        return run.run(allow_interface_change, runtime, wait_s, watch)
    except EdgeqError as error:
        run.explain(error)
        raise
    except KeyboardInterrupt:
        raise run.interrupted() from None


class _Deploy:
    """One bundle on its way to one device; `before` is what served when it began."""

    def __init__(self, bundle: Bundle, device: Device, steps: Steps) -> None:
        self.bundle, self.device, self.steps = bundle, device, steps
        self.before: Release | None = None
        self.held = self.signed = False

    def run(self, allowed: bool, runtime: str, wait_s: float, watched: bool) -> Deployed:
        """The steps, one after the other."""
        done = self._run(allowed, runtime, wait_s, watched)
        self._let_go()
        return replace(done, sent_bytes=self.device.client.sent_bytes, signed=self.signed)

    def _run(self, allowed: bool, runtime: str, wait_s: float, watched: bool) -> Deployed:
        device, steps = self.device, self.steps
        with steps.step(step_names.PREFLIGHT):
            fit = preflight(self.bundle, device, runtime)
            facts = device.describe()
            if not fit.policy.at_once and facts.get("kind") == "mcu" and not facts.get("confirm"):
                steps.note("the firmware is older than confirm policies: it confirms after its self-test")
        with steps.step(step_names.HOLD):
            self._hold(wait_s)
            installed = device.installed()
            self.before = serving = installed.serving
            same = serving is not None and serving.digest == self.bundle.digest
            if installed.trial is not None and not same:
                raise _on_trial(device.address, serving)
        tested = self._is_sound() if serving and same and not runtime else None
        if serving and tested is not None:
            if fit.envelope is not None:
                self._sign(serving, fit.envelope)
            return self._already(serving, fit, watched, tested)
        if serving:
            with steps.step(step_names.INTERFACE):
                self._check_interface(allowed)
        with steps.step(step_names.STAGE):
            push(load(self.bundle, fit.wheels, device, steps.note), device, steps)
        with steps.step(step_names.VERIFY):
            digests = [wheel.sha256 for wheel in fit.wheels]
            n = device.stage(self.bundle.digest, digests, steps.note, fit.system, fit.envelope)
            self.signed = fit.envelope is not None
        with steps.step(step_names.SELFTEST):
            golden = device.selftest(n, steps.note)
        if serving and same and n == serving.n:
            return self._already(serving, fit, watched, golden)
        state, found = self._activate(n, fit, watched)
        previous = serving.n if serving else None
        return Deployed(n, self.bundle.digest, previous, True, device.client.sent_bytes, {**golden, **found}, state)

    def _hold(self, wait_s: float) -> None:
        try:
            self.held = self.device.hold(_who(self.bundle.name), wait_s, self.steps.note)
        except DeviceError as error:
            if error.status == Status.BUSY:
                error.hint = "Wait for it, or run the command with --wait SECONDS."
            raise
        if not self.held:
            self.steps.passed("")

    def _is_sound(self) -> dict[str, Any] | None:
        """The self-test of what serves; None where that is no longer what was installed, and is deployed anew."""
        with self.steps.step(step_names.SELFTEST):
            try:
                return self.device.selftest(progress=lambda note: self.steps.note(f"already there: {note}"))
            except DeviceError as error:
                if error.status != Status.DIGEST:
                    raise
                self.steps.note(error.message)
                return None

    def _sign(self, serving: Release, envelope: bytes) -> None:
        """Let what serves already have these signatures, and go on as it is: no wheels, no folder of a runtime."""
        device, steps = self.device, self.steps
        with steps.step(step_names.VERIFY):
            push(load(self.bundle, (), device, steps.note), device, steps)
            self.signed = device.stage(self.bundle.digest, (), steps.note, None, envelope) == serving.n
            whose = f"release {serving.n} has" if self.signed else "the agent is too old to take"
            steps.note(f"{whose} the bundle's signatures")

    def _already(self, serving: Release, fit: Fit, watched: bool, golden: dict[str, Any]) -> Deployed:
        state = serving.state
        if state == trial.TRIAL and watched:
            state = self._watch(serving.n, fit)
        sent = self.device.client.sent_bytes
        return Deployed(serving.n, serving.digest, None, False, sent, golden, state)

    def _check_interface(self, allowed: bool) -> None:
        changes = interface_changes(self.bundle, self.device, self.steps.note)
        require_interface(self.device.address, changes or (), allowed)
        for change in changes or ():
            self.steps.note(change)

    def _activate(self, n: int, fit: Fit, watched: bool) -> tuple[str, dict[str, Any]]:
        """The state that release `n` ends in, and what the device told of it."""
        found: dict[str, Any] = {}
        with self.steps.step(step_names.ACTIVATE):
            try:
                found = self.device.activate(n, self.steps.note)
            except (LinkError, ProtocolError) as error:
                found = self._found_out(n, fit, error)
            except DeviceError as error:
                if error.status == Status.GATE:
                    self._tell_gate(n, error)
                raise
            state = str(found.pop("state", trial.CONFIRMED))
            found.pop("n", None)
        if "latency_ms" in found:
            with self.steps.step(step_names.GATES):
                self.steps.note(
                    f"the median inference took {found['latency_ms']:.3g} ms", latency_ms=found["latency_ms"]
                )
        if state == trial.TRIAL:
            if not watched:
                return state, found
            state = self._watch(n, fit)
        if state == trial.CONFIRMED:
            with self.steps.step(step_names.CONFIRM):
                self.steps.note(f"release {n} is confirmed", n=n)
        return state, found

    def _tell_gate(self, n: int, error: DeviceError) -> None:
        """A release that a gate kept out stays staged; one that `on_activate` failed for has served, and is bad."""
        with contextlib.suppress(EdgeqError):
            release = self.device.installed().find(n)
            if release is not None and release.state == trial.BAD:
                error.hint = "Find out why, build it again, and deploy that; its [confirm] table names the command."
            else:
                self.steps.current = step_names.GATES

    def _found_out(self, n: int, fit: Fit, broke: EdgeqError) -> dict[str, Any]:
        """What became of an activation whose link broke: the device goes on with it, or never heard of it."""
        patience = fit.policy.window_s + trial.RECONNECT_S
        deadline = time.monotonic() + patience
        while True:
            release = trial.look(self.device, patience, self.steps.note).find(n)
            if release is None or time.monotonic() > deadline:
                raise broke
            if release.state == trial.BAD:
                raise DeviceError(
                    f"{self.device.address} went back from {release}: {release.why or 'its trial failed'}.",
                    "'edgeq releases' shows what serves now.",
                    Status.SELFTEST,
                )
            if release.state != trial.STAGED:
                return {"state": release.state}
            try:
                return self.device.activate(n, self.steps.note)
            except (LinkError, ProtocolError):
                continue
            except DeviceError as error:
                if error.status != Status.BUSY:  # It is at it still.
                    raise
                time.sleep(RETRY_S)

    def _watch(self, n: int, fit: Fit) -> str:
        def note(text: str, watched: Watched | None) -> None:
            self.steps.note(text, **({"watch": asdict(watched)} if watched else {}))

        with self.steps.step(step_names.WATCH):
            self.steps.note(describe_policy(fit.policy))
            self._let_go()  # Others may end the trial meanwhile; a deploy of theirs is refused.
            return trial.watch(self.device, n, fit.policy, note)

    def _let_go(self) -> None:
        """Others may deploy again. Where that cannot be said the device notices by itself that nobody is there."""
        if self.held:
            self.held = False
            with contextlib.suppress(EdgeqError):
                self.device.release()

    def explain(self, error: EdgeqError) -> None:
        """Add to an error at which step it ended, and what serves now."""
        step, because = self.steps.current, error.message
        error.facts = {"step": step}
        tell_serving(error, self.device, self.before, f"the deploy ended at its {step} step; ")
        told = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
        self.steps.failed(because, error={**told, **error.facts})
        if not isinstance(error, (LinkError, ProtocolError)):
            self._let_go()

    def interrupted(self) -> trial.Interrupted:
        """What Ctrl-C has ended, and what it has not."""
        step, address = self.steps.current, self.device.address
        if step in _ALONE:
            return trial.LeftToDevice(address, step)
        hint = f"What serves on {address} was left as it is. Run the command again: it goes on where it can."
        return trial.Interrupted(hint, step)


def _on_trial(address: str, serving: Release | None) -> DeviceError:
    return DeviceError(
        f"On {address} {serving or 'a release'} is on trial, and nothing else is taken meanwhile.",
        f"Wait for its end, or end it: 'edgeq confirm {address}', or 'edgeq confirm {address} --reject'.",
        Status.STATE,
    )


def push(cargo: Cargo, device: Device, steps: Steps) -> None:
    """Send the blobs that the device lacks, each resumed where an earlier try ended."""
    require_space(cargo, device.address)
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
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # nobody in the table of users has our number
        user = "somebody"
    return f"{user}@{socket.gethostname()} (pid {os.getpid()}) deploys {name}"
