"""A trial seen by who began it: watched until the device has decided, or ended by somebody's word.

Read by host and agent alike: Python 3.9 and the standard library alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from edgeq.errors import DeviceError, EdgeqError, GateFailed, LinkError, ProtocolError
from edgeq.protocol.status import Status
from edgeq.transaction.aftermath import tell_serving
from edgeq.transaction.confirm import ConfirmPolicy
from edgeq.transaction.releases import BAD, TRIAL, Device, Installed, Progress, Release, Watched, silent

WAITS_FOR_PEOPLE = "to be confirmed"
"""What an agent says of a trial for which everything else has come."""
RECONNECT_S = 60.0
"""How much longer than the window of a trial a link that broke is waited for."""
LONGEST_PAUSE_S = 1.0
LONGEST_RETRY_S = 8.0
TOLD_S = 5.0
"""A trial in which nothing happens is told so often."""
_LEAVE = "; the device decides without this command, which Ctrl-C or --no-wait leaves"
"""What is said where time alone changes nothing any more."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; `hint` says what the device does now, `facts` is what `--json` says beside that."""

    def __init__(self, hint: str, step: str) -> None:
        super().__init__()
        self.hint, self.facts = hint, {"step": step}


class LeftToDevice(Interrupted):
    """Ctrl-C once the device has begun to activate: it goes on by itself."""

    def __init__(self, shows: str, step: str) -> None:
        hint = f"The device confirms or reverts by itself; {shows} shows what came of it."
        super().__init__(hint, step)


Note = Callable[[str, "Watched | None"], None]


def watch(device: Device, n: int, policy: ConfirmPolicy, note: Note) -> str:
    """Wait until the device has ended the trial of release `n`; the answer is its state: confirmed, or still on trial
    where all that is missing is somebody's word.

    `GateFailed`, with the device's reason, where it went back. A link that breaks is opened again until the window is
    over and a minute more.
    """
    pause, told = 0.05, _Told(note)
    while True:
        installed = look(device, policy.window_s + RECONNECT_S, lambda text: note(text, None))
        state = _state(device, installed, n)
        if state != TRIAL or _waits_for_people(policy, installed.watch):
            return state
        told(installed.watch)
        time.sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE_S)


def look(device: Device, patience_s: float, progress: Progress = silent) -> Installed:
    """The releases of the device, asked on a new link where the present one is broken; `LinkError` where none can be
    opened in time."""
    try:
        return device.installed()
    except (LinkError, ProtocolError) as error:
        broke = error
    if not device.reopens:
        raise broke
    progress("the link broke; the device goes on by itself; connecting again")
    deadline, pause = time.monotonic() + patience_s, 0.25
    while True:
        try:
            device.reconnect()
            return device.installed()
        except EdgeqError as error:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LinkError(
                    f"The link to {device.address} broke, and cannot be opened again: {error.message}",
                    f"The device confirms or reverts by itself; {device.shows} shows it.",
                ) from broke
            time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_RETRY_S)


def _state(device: Device, installed: Installed, n: int) -> str:
    release = installed.find(n)
    if release is None:
        raise DeviceError(f"{device.address} has no release {n} any more.", "Run the command again.", Status.NOT_FOUND)
    if release.state == BAD:
        why = release.why.rstrip(".") or "the trial of the release failed"
        raise GateFailed(
            f"{device.address} went back from {release}: {why}.", "Find out why, build it again, and deploy that."
        )
    return release.state


def _waits_for_people(policy: ConfirmPolicy, watched: Watched | None) -> bool:
    if not policy.manual:
        return False
    if watched is None or watched.waits:
        return watched is None or watched.waits == WAITS_FOR_PEOPLE
    return watched.left_s <= 0 and watched.good >= policy.good


class _Told:
    """Says how far the trial is: whenever a count changes, and now and then."""

    def __init__(self, note: Note) -> None:
        self._note, self._counts, self._next = note, (-1, -1, -1), 0.0

    def __call__(self, watched: Watched | None) -> None:
        found = watched or Watched()
        counts = (found.good, found.bad, found.starts)
        again = counts == self._counts
        if again and time.monotonic() < self._next:
            return
        self._counts, self._next = counts, time.monotonic() + TOLD_S
        words = _words(found) if watched else "on trial"
        self._note(words + (_LEAVE if again and found.left_s <= 0 and found.waits else ""), watched)


def _words(watched: Watched) -> str:
    waits = f", waits {watched.waits}" if watched.waits else ""
    starts = f", the agent started {watched.starts} times" if watched.starts > 1 else ""
    return f"on trial{waits}: {watched.good} good and {watched.bad} bad inferences{starts}"


def confirm(device: Device, progress: Progress = silent) -> Release:
    """End the trial that is on as good; an error says what serves. `GateFailed` where the device's last look at the
    release's health said no."""

    def end(release: Release) -> None:
        device.confirm(release.n)
        watch(device, release.n, ConfirmPolicy(), lambda text, _: progress(text))

    return _ended(device, end)


def reject(device: Device, progress: Progress = silent) -> tuple[Release, Release | None]:
    """End the trial that is on as bad, as a rollback does: that release, and what serves now."""
    release = _ended(device, lambda _: device.rollback(progress))
    return release, device.installed().serving


def _ended(device: Device, end: Callable[[Release], object]) -> Release:
    """The release whose trial `end` ends, as it is afterwards."""
    release = _on_trial(device)
    try:
        end(release)
        return device.installed().find(release.n) or release
    except EdgeqError as error:
        tell_serving(error, device, release)
        raise


def _on_trial(device: Device) -> Release:
    installed = device.installed()
    release = installed.find(installed.trial)
    if release is None:
        serving = installed.serving
        raise DeviceError(
            f"On {device.address} no release is on trial: "
            f"{f'{serving} serves, and is {serving.state}' if serving else 'none serves'}.",
            f"{device.shows} shows what is installed.",
            Status.STATE,
        )
    return release
