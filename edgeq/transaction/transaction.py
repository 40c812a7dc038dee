"""One transaction for every device: a parcel becomes the release that serves, or everything stays as it was.

The steps, their words and what is told of a failure, of `edgeq deploy` on a host and `edgeq-agent apply` on the device.
Read by host and agent alike: Python 3.9 and the standard library alone.
"""

from __future__ import annotations

import contextlib
import getpass
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from edgeq.errors import DeviceError, EdgeqError, LinkError, ProtocolError
from edgeq.protocol.status import Status
from edgeq.transaction import steps as names
from edgeq.transaction import trial
from edgeq.transaction.aftermath import tell_serving
from edgeq.transaction.confirm import ConfirmPolicy, describe_policy
from edgeq.transaction.releases import BAD, CONFIRMED, STAGED, TRIAL, Device, Progress, Release, Watched
from edgeq.transaction.steps import Steps
from edgeq.units import format_bytes

RETRY_S = 1.0
SPACE_MARGIN = 2
"""Free space that is asked for, as a multiple of what is sent: the blobs, and what they unpack to. A device that is
sent some members only, a microcontroller, unpacks nothing."""
_ALONE = (names.ACTIVATE, names.GATES, names.WATCH, names.CONFIRM)
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
    state: str = CONFIRMED
    signed: bool = False


class Parcel(Protocol):
    """What is brought: a bundle from a host, or a file on the device."""

    name: str
    digest: str
    """Of the manifest."""
    who: str
    """What others are told while this holds the device."""
    pinned: bool
    """Whether it names the runtime: what serves already may have to serve on another one."""

    @property
    def signed(self) -> bool:
        """Whether an agent gets signatures with it."""

    def preflight(self, progress: Progress) -> ConfirmPolicy:
        """Refuse early what cannot work; first of all."""

    def changes(self, progress: Progress) -> Sequence[str] | None:
        """What applications would meet that rely on what serves; None where that cannot be compared with."""

    def push(self, steps: Steps, runtime: bool = True) -> None:
        """Send the blobs that the device lacks, each resumed where an earlier try ended; without those of the runtime
        where what serves keeps its own."""

    def stage(self, progress: Progress, runtime: bool = True) -> int:
        """Have the device lay them out; the answer is the number of the release."""

    def selftest(self, n: int, progress: Progress) -> dict[str, Any]:
        """The device's own of release `n`, which is this one; where it fails, the error may tell more of why."""


class Transaction:
    """One parcel on its way to one device; `before` is what served when it began."""

    def __init__(self, parcel: Parcel, device: Device, steps: Steps) -> None:
        self.parcel, self.device, self.steps = parcel, device, steps
        self.before: Release | None = None
        self.held = self.signed = False

    def run(self, *, allow_interface_change: bool = False, wait_s: float = 0.0, watch: bool = True) -> Deployed:
        """The steps, one after the other. Any error, and Ctrl-C, say what came of it."""
        try:
            done = self._run(allow_interface_change, wait_s, watch)
            self._let_go()
            return replace(done, sent_bytes=self.device.sent_bytes, signed=self.signed)
        except EdgeqError as error:
            self._explain(error)
            raise
        except KeyboardInterrupt:
            raise self._interrupted() from None

    def _run(self, allowed: bool, wait_s: float, watched: bool) -> Deployed:
        parcel, device, steps = self.parcel, self.device, self.steps
        with steps.step(names.PREFLIGHT):
            policy = parcel.preflight(steps.note)
            facts = device.describe()
            if not policy.at_once and facts.get("kind") == "mcu" and not facts.get("confirm"):
                steps.note("the firmware is older than confirm policies: it confirms after its self-test")
        with steps.step(names.HOLD):
            self._hold(wait_s)
            installed = device.installed()
            self.before = serving = installed.serving
            same = serving is not None and serving.digest == parcel.digest
            if installed.trial is not None and not same:
                raise _on_trial(device, serving)
        tested = self._is_sound(serving) if serving and same and not parcel.pinned else None
        if serving and tested is not None:
            if parcel.signed:
                self._sign(serving)
            return self._already(serving, policy, watched, tested)
        if same and not parcel.pinned:
            self.before = serving = device.installed().serving  # firmware that finds damage goes back by itself
        if serving:
            with steps.step(names.INTERFACE):
                self._check_interface(allowed)
        with steps.step(names.STAGE):
            parcel.push(steps)
        with steps.step(names.VERIFY):
            n = parcel.stage(steps.note)
            self.signed = parcel.signed
        with steps.step(names.SELFTEST):
            golden = parcel.selftest(n, steps.note)
        if serving and same and n == serving.n:
            return self._already(serving, policy, watched, golden)
        state, found = self._activate(n, policy, watched)
        if not self.held:
            self._require_ours(n)
        previous = serving.n if serving else None
        return Deployed(n, parcel.digest, previous, True, 0, {**golden, **found}, state)

    def _hold(self, wait_s: float) -> None:
        try:
            self.held = self.device.hold(self.parcel.who, wait_s, self.steps.note)
        except DeviceError as error:
            if error.status == Status.BUSY:
                error.hint = "Wait for it, or run the command with --wait SECONDS."
            raise
        if not self.held:
            self.steps.passed("")

    def _require_ours(self, n: int) -> None:
        """For devices without holds: no answer was one for another host on the same line."""
        release = self.device.installed().find(n)
        if release is None or release.digest != self.parcel.digest:
            raise DeviceError(
                f"Somebody else changes {self.device.address} at the same time: {release or 'no release'} is there.",
                "A line is one host's at a time (docs/firmware.md); run the command again.",
                Status.BUSY,
            )

    def _is_sound(self, serving: Release) -> dict[str, Any] | None:
        """The self-test of what serves; None where that is no longer what was installed, and is deployed anew."""
        with self.steps.step(names.SELFTEST):
            try:
                return self.parcel.selftest(serving.n, lambda note: self.steps.note(f"already there: {note}"))
            except DeviceError as error:
                if error.status != Status.DIGEST:
                    raise
                self.steps.note(error.message)
                return None

    def _sign(self, serving: Release) -> None:
        """Let what serves already have the parcel's signatures, and go on as it is, on whichever runtime."""
        with self.steps.step(names.VERIFY):
            self.parcel.push(self.steps, runtime=False)
            self.signed = self.parcel.stage(self.steps.note, runtime=False) == serving.n
            whose = f"release {serving.n} has" if self.signed else "the agent is too old to take"
            self.steps.note(f"{whose} the bundle's signatures")

    def _already(self, serving: Release, policy: ConfirmPolicy, watched: bool, golden: dict[str, Any]) -> Deployed:
        state = serving.state
        if state == TRIAL and watched:
            state = self._watch(serving.n, policy)
        return Deployed(serving.n, serving.digest, None, False, 0, golden, state)

    def _check_interface(self, allowed: bool) -> None:
        changes = self.parcel.changes(self.steps.note) or ()
        require_interface(self.device.address, changes, allowed)
        for change in changes:
            self.steps.note(change)

    def _activate(self, n: int, policy: ConfirmPolicy, watched: bool) -> tuple[str, dict[str, Any]]:
        """The state that release `n` ends in, and what the device told of it."""
        found: dict[str, Any] = {}
        with self.steps.step(names.ACTIVATE):
            try:
                found = self.device.activate(n, self.steps.note)
            except (LinkError, ProtocolError) as error:
                found = self._found_out(n, policy, error)
            except DeviceError as error:
                if error.status == Status.GATE:
                    self._tell_gate(n, error)
                raise
            state = str(found.pop("state", CONFIRMED))
            found.pop("n", None)
        if "latency_ms" in found:
            with self.steps.step(names.GATES):
                self.steps.note(
                    f"the median inference took {found['latency_ms']:.3g} ms", latency_ms=found["latency_ms"]
                )
        if state == TRIAL:
            if not watched:
                return state, found
            state = self._watch(n, policy)
        if state == CONFIRMED:
            with self.steps.step(names.CONFIRM):
                self.steps.note(f"release {n} is confirmed", n=n)
        return state, found

    def _tell_gate(self, n: int, error: DeviceError) -> None:
        """A release that a gate kept out stays staged; one that `on_activate` failed for has served, and is bad."""
        with contextlib.suppress(EdgeqError):
            release = self.device.installed().find(n)
            if release is not None and release.state == BAD:
                error.hint = "Find out why, build it again, and deploy that; its [confirm] table names the command."
            else:
                self.steps.current = names.GATES

    def _found_out(self, n: int, policy: ConfirmPolicy, broke: EdgeqError) -> dict[str, Any]:
        """What became of an activation whose link broke: the device goes on with it, or never heard of it."""
        patience = policy.window_s + trial.RECONNECT_S
        deadline = time.monotonic() + patience
        while True:
            release = trial.look(self.device, patience, self.steps.note).find(n)
            if release is None or time.monotonic() > deadline:
                raise broke
            if release.state == BAD:
                why = release.why.rstrip(".") or "its trial failed"
                raise DeviceError(
                    f"{self.device.address} went back from {release}: {why}.",
                    f"{self.device.shows} shows what serves now.",
                    Status.SELFTEST,
                )
            if release.state != STAGED:
                return {"state": release.state}
            try:
                return self.device.activate(n, self.steps.note)
            except (LinkError, ProtocolError):
                continue
            except DeviceError as error:
                if error.status != Status.BUSY:  # It is at it still.
                    raise
                time.sleep(RETRY_S)

    def _watch(self, n: int, policy: ConfirmPolicy) -> str:
        def note(text: str, watched: Watched | None) -> None:
            self.steps.note(text, **({"watch": asdict(watched)} if watched else {}))

        with self.steps.step(names.WATCH):
            self.steps.note(describe_policy(policy))
            self._let_go()  # Others may end the trial meanwhile; a deploy of theirs is refused.
            return trial.watch(self.device, n, policy, note)

    def _let_go(self) -> None:
        """Others may deploy again. Where that cannot be said the device notices by itself that nobody is there."""
        if self.held:
            self.held = False
            with contextlib.suppress(EdgeqError):
                self.device.release()

    def _explain(self, error: EdgeqError) -> None:
        """Add to an error at which step it ended, and what serves now."""
        step, because = self.steps.current, error.message
        error.facts = {**error.facts, "step": step}
        tell_serving(error, self.device, self.before, f"the deploy ended at its {step} step; ")
        told = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
        self.steps.failed(because, error={**told, **error.facts})
        if not isinstance(error, (LinkError, ProtocolError)):
            self._let_go()

    def _interrupted(self) -> trial.Interrupted:
        """What Ctrl-C has ended, and what it has not."""
        step = self.steps.current
        if step in _ALONE:
            return trial.LeftToDevice(self.device.shows, step)
        left = f"What serves on {self.device.address} was left as it is."
        hint = f"{left} Run the command again: it goes on where it can."
        return trial.Interrupted(hint, step)


def _on_trial(device: Device, serving: Release | None) -> DeviceError:
    return DeviceError(
        f"On {device.address} {serving or 'a release'} is on trial, and nothing else is taken meanwhile.",
        f"Wait for its end, or end it: {device.ends}.",
        Status.STATE,
    )


def require_interface(address: str, changes: Sequence[str], allowed: bool) -> None:
    """`DeviceError` with status INTERFACE for a change that is not allowed."""
    if changes and not allowed:
        raise DeviceError(
            f"The interface differs on {address} from that of the release that serves: {_first(changes)}.",
            "Change the applications there first, then deploy with --allow-interface-change.",
            Status.INTERFACE,
        )


def _first(changes: Sequence[str], most: int = 3) -> str:
    more = f"; and {len(changes) - most} more changes" if len(changes) > most else ""
    return "; ".join(changes[:most]) + more


def require_space(need_bytes: int, free_bytes: int, address: str) -> None:
    """`DeviceError` with status NO_SPACE where the device has too little."""
    if need_bytes > free_bytes:
        raise DeviceError(
            f"The deploy needs {format_bytes(need_bytes)} on {address}; {format_bytes(free_bytes)} are free.",
            "Free some space on the device, then run the command again.",
            Status.NO_SPACE,
        )


def user_name() -> str:
    """Who runs this."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # nobody in the table of users has our number
        return "somebody"
