"""What happens to releases: activate as trial, watch, confirm or revert, roll back, verify.

The device decides alone: once `activate` has begun, it confirms or reverts by itself, also when the host is gone. What
is decided is written before it is done: a trial before its model runs, the count of starts before anything runs, the
end of a trial before another release serves. Whatever else fails, one release serves, and the state file says which.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

from edgeq.agent import commands, gates
from edgeq.agent.errors import Refused
from edgeq.agent.files import refusal
from edgeq.agent.golden import compare, open_model, selftest
from edgeq.agent.policy import policy_of
from edgeq.agent.serving import Serving
from edgeq.agent.staging import check_security, security_version, stage
from edgeq.agent.store import State, Store
from edgeq.agent.trust import Trust
from edgeq.agent.watch import Watcher
from edgeq.protocol.status import Status
from edgeq.transaction.confirm import ConfirmPolicy

Note = Callable[[str], None]
LOCK_TIMEOUT_S = 5.0
LONGEST_WHY = 300


class Transaction:
    """Everything that changes the releases of one store.

    Long work is done by one job at a time, which the caller sees to; `lock` is held only while state or blobs change.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lock = threading.RLock()
        self.serving = Serving(lambda n: open_model(store, n), store.state.serving)
        self.watcher = Watcher(self._health, self._end)
        self._telling = threading.Lock()
        self._swapping = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """The lock for one request; refused rather than waited for where a job holds it."""
        if not self.lock.acquire(timeout=LOCK_TIMEOUT_S):
            raise Refused(Status.BUSY, "the device is busy with a job of another command; try again when it is done")
        try:
            yield
        finally:
            self.lock.release()

    # from blobs to a confirmed release

    def stage(
        self, sha: str, wheels: list[str], note: Note, system: str | None, envelope: bytes | None
    ) -> dict[str, Any]:
        """`edgeq.agent.staging.stage`."""
        with self.lock, self._truthful():
            return stage(self.store, sha, wheels, note, system, envelope)

    def activate(self, n: int, note: Note) -> dict[str, Any]:
        """Serve release `n` on trial once it has passed the gates, test it where it serves, and confirm it or watch it;
        at any failure what served before serves."""
        with self._truthful():
            there = self._there_already(n)
            if there:
                return {"n": n, "state": there}
            policy = self._admitted(n, note)
            measured = self._measured(n, policy, note)
            try:
                with self.lock, self.store.change() as state:
                    state.trial, state.starts = n, 0
                    state.releases[n].update(state="trial")
                    state.releases[n].pop("why", None)
            except OSError as error:
                self._abandon(n, policy, error)  # It may have been written all the same.
                raise
            return {**self._tried(n, policy, note), **measured}

    def _there_already(self, n: int) -> str:
        """`confirmed` or `trial` where release `n` serves; STATE where it cannot."""
        with self.lock:
            state = self.store.state
            self.store.release(n)
            self.store.settle()
            if n == state.serving:
                return "confirmed" if state.trial is None else "trial"
            if state.trial is not None:
                what = f"release {state.trial} is on trial; wait for its end, confirm it or roll it back"
                raise Refused(Status.STATE, what)
            if state.releases[n]["state"] == "bad":
                raise Refused(Status.STATE, f"release {n} was found bad; build and deploy it again")
            return ""

    def _admitted(self, n: int, note: Note) -> ConfirmPolicy:
        """The policy of release `n`, which is sound, signed as this device wants it, and not older than it may be."""
        note("hashing")
        self.store.check_release(n)
        manifest = self.store.release_manifest(n)
        Trust(self.store.root).check((self.store.release(n) / "manifest.json").read_bytes(), self.store.envelope(n))
        if self.store.state.releases[n]["state"] != "confirmed":
            check_security(self.store, manifest)
        return policy_of(manifest)

    def _measured(self, n: int, policy: ConfirmPolicy, note: Note) -> dict[str, Any]:
        """What the gates measured; a release that does not pass remains what it was, with the reason."""
        try:
            return gates.measure(self.store, n, policy, note)
        except Refused as refused:
            with self.lock, self.store.change() as state:
                state.releases[n]["why"] = refused.reason[:LONGEST_WHY]
            raise

    def _tried(self, n: int, policy: ConfirmPolicy, note: Note, sound: bool = True) -> dict[str, Any]:
        """The trial that the state file announces; it is reverted at any failure up to the beginning of its window.
        `sound` where its members were hashed just now."""
        try:
            if not sound:
                self.store.check_release(n)
            note("on trial")
            warm = self.serving.warm
            with self.serving.reserved(n) as process:
                result = compare(process, self.store.release(n), note)
            self._swap(n, warm)
            self.watcher.open(n, policy)
            complaint = self._tell(note)
            if complaint:
                raise Refused(Status.GATE, complaint)
            if policy.at_once:
                self._end(n, True, f"{result['vectors']} golden vectors are right")
                self._must_serve(n)
            else:
                self.watcher.begin()
        except BaseException as error:
            self._abandon(n, policy, error)
            raise
        return {"n": n, "state": self.store.state.releases[n]["state"], **result}

    def _must_serve(self, n: int) -> None:
        """An inference may have failed between the self-test and the confirmation."""
        entry = self.store.state.releases[n]
        if entry["state"] == "bad":
            raise Refused(Status.STATE, entry["why"])

    def _abandon(self, n: int, policy: ConfirmPolicy, error: BaseException) -> None:
        """After a failure during a trial: end it badly, unless the state file says that it is over already."""
        if isinstance(error, OSError):
            with self.lock:
                self.store.reload()
        why = error.reason if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
        if self.store.state.trial != n:
            return
        try:
            self._end(n, False, why)
        except OSError:
            if self.store.state.trial == n:
                # The trial goes on as far as the state file is concerned: its end is tried until it can be written.
                self.watcher.open(n, policy)
                self.watcher.begin(failed=why)
            raise

    # after a start

    def start(self) -> bool:
        """Count this start if a trial is on, and end the trial if that is one too many; before anything runs.

        Whether `resume` has something to do.
        """
        n = self.store.state.trial
        if n is not None:
            try:
                with self.store.change() as state:
                    state.starts += 1
                    over = self._over(n, state.starts)
                    if over:
                        _mark_bad(state, over)
            except OSError as error:
                # Starts that cannot be counted might go on for ever: what was confirmed serves instead.
                state = copy.deepcopy(self.store.state)
                _mark_bad(state, f"the agent started, and could not count it: {refusal(error).reason}")
                state.releases[n]["state"] = "staged"
                self.store.assume(state)
            self.serving.number = self.store.state.serving
        return self.store.state.trial is not None or bool(self._untold()[1])

    def _over(self, n: int, starts: int) -> str:
        """Why the trial of `n` ends with this start; empty where it goes on."""
        try:
            allowed = policy_of(self.store.release_manifest(n)).starts
        except Refused as refused:
            return refused.reason  # What is on trial is damaged: nothing of it shall run.
        times = "once" if starts == 1 else f"{starts} times"
        return f"the agent started {times} during the trial" if starts > allowed else ""

    def resume(self, note: Note) -> dict[str, Any]:
        """After a start: the trial's self-test again, then its window from the beginning; tell applications what serves
        where that was interrupted."""
        n = self.store.state.trial
        with self._truthful():
            if n is not None:
                policy = policy_of(self.store.release_manifest(n))
                return self._tried(n, policy, note, sound=False)
            complaint = self._tell(note)
        return {"on_activate": complaint} if complaint else {}

    def leave(self) -> None:
        """The agent ends in good order: the next start does not count against a trial."""
        self.watcher.drop()
        with self.lock:
            if self.store.state.trial is not None:
                with self.store.change() as state:
                    state.starts -= 1

    # the end of a trial

    def confirm(self, n: int) -> None:
        """Somebody says that the trial of `n` has gone well. With a `health` command that has the last word."""
        with self.held(), self._truthful():
            state = self.store.state
            self.store.release(n)
            self.store.settle()
            if state.trial is None and state.current == n:
                return
            if state.trial != n:
                raise Refused(Status.STATE, f"release {n} is not on trial; it is {state.releases[n]['state']}")
            taken, why = self.watcher.approve(n)
            if not taken:
                raise Refused(Status.STATE, f"release {n} {why}")
            if not policy_of(self.store.release_manifest(n)).health:
                self._end(n, True, why)

    def _end(self, n: int, good: bool, why: str) -> None:
        """Confirm or revert the trial of `n`; nothing where it is over. After `OSError` the state is the file's."""
        with self.lock:
            if self.store.state.trial != n:
                self.watcher.drop()
                return
            unsettled = None
            answers, warm = self.serving.number, self.serving.warm
            try:
                if good:
                    good, why = self._still_sound(n, why)
                if not good:
                    # Requests from now on wait for the model that serves then, rather than get answers of a bad one.
                    self.serving.number = self.store.state.current
                security = security_version(self.store.release_manifest(n)) if good else 0
                with self.store.change() as state:
                    if good:
                        _mark_confirmed(state, why, security)
                    else:
                        _mark_bad(state, why)
            except OSError as error:
                self.store.reload()
                if self.store.state.trial == n:
                    self.serving.number = answers
                    raise
                unsettled = self._unsettled(error)  # The end was written, though perhaps not for good.
            self.watcher.drop()
            serving = self.store.state.serving
            self.serving.number = serving
        if self.store.state.releases[n]["state"] == "bad":
            self._swap(serving, warm)
            self._tell(lambda _: None)
        if unsettled:
            raise unsettled

    def _still_sound(self, n: int, why: str) -> tuple[bool, str]:
        try:
            self.store.release_manifest(n)
        except Refused as refused:
            return False, refused.reason
        return True, why

    def _unsettled(self, error: OSError) -> OSError | None:
        """Write again what `error` left in doubt; the error where that fails too, so that nothing is acknowledged."""
        try:
            self.store.settle()
        except OSError:
            return error
        return None

    def _swap(self, n: int | None, warm: bool | None = None) -> None:
        """Let `n` answer, unless something else serves by now: the next trial may begin while a model loads."""
        with self._swapping:
            if n == self.store.state.serving:
                self.serving.swap(n, warm)

    # going back

    def rollback(self, note: Note) -> dict[str, Any]:
        """Serve the release that served before: it was confirmed here, so it needs no trial. Ends a trial as bad."""
        with self._truthful():
            state = self.store.state
            trial = state.trial
            back = state.previous if trial is None else state.current
            if back is None or back not in state.releases:
                raise Refused(Status.STATE, "there is no earlier release to go back to")
            note(f"checking release {back}")
            self.store.check_release(back)
            with self.lock:
                if self.store.state.trial != trial:
                    raise Refused(Status.STATE, f"the trial of release {trial} has just ended; {self.what_serves()}")
                with self.store.change() as state:
                    if trial is not None:
                        _mark_bad(state, "rolled back on request")
                    else:
                        state.current, state.previous = back, state.current
                self.watcher.drop()
            self._swap(back)
            complaint = self._tell(note)
            result = {"n": back, "sha": state.releases[back]["sha"]}
            return {**result, "on_activate": complaint} if complaint else result

    # commands of the policy

    def _tell(self, note: Note) -> str:
        """Run `on_activate` where another release serves than applications were told of; the answer is what failed.

        A release without the command leaves it to that of the release which it follows.
        """
        with self._telling:
            n, command, timeout_s = self._untold()
            if n is None:
                return ""
            complaint = ""
            if command:
                note("on_activate")
                complaint = self._run("on_activate", command, timeout_s, n)
            with self.lock:
                if command:
                    with self.store.change() as state:
                        state.told = n
                else:
                    self.store.state.told = n  # Nobody was told, so that need not be remembered.
            return complaint

    def _untold(self) -> tuple[int | None, tuple[str, ...], float]:
        """The release of which applications were not told, with the command that tells them; None where they were."""
        state = self.store.state
        n, before = state.serving, state.told
        if n is None or n == before:
            return None, (), 0.0
        policy = self._policy(n)
        if not policy.on_activate and before is not None:
            policy = self._policy(before)
        return n, policy.on_activate, policy.timeout_s

    def _health(self, n: int) -> None:
        policy = self._policy(n)
        complaint = self._run("health", policy.health, policy.timeout_s, n)
        if complaint:
            raise Refused(Status.GATE, complaint)

    def _run(self, what: str, argv: tuple[str, ...], timeout_s: float, n: int) -> str:
        state = self.store.state
        back = state.previous if state.trial is None else state.current
        name = str(self.store.release_manifest(n).get("name", ""))
        try:
            commands.run(what, argv, timeout_s, commands.environment(self.store.release(n), n, name, back))
        except Refused as refused:
            return refused.reason
        return ""

    def _policy(self, n: int) -> ConfirmPolicy:
        """The policy of a release; the plain one where it cannot be read."""
        try:
            return policy_of(self.store.release_manifest(n))
        except (Refused, OSError):
            return ConfirmPolicy()

    # the truth

    @contextmanager
    def _truthful(self) -> Iterator[None]:
        """After a failure of the storage: take what the state file says, let that serve, and tell it."""
        try:
            yield
        except OSError as error:
            refused = refusal(error)
            raise Refused(refused.status, f"{refused.reason}; {self._read_back()}") from error

    def _read_back(self) -> str:
        with self.lock:
            try:
                self.store.reload()
            except (Refused, OSError):
                return "what serves cannot be read back"
            try:
                self.store.settle()
            except OSError:
                with contextlib.suppress(OSError):
                    self.store.derive()
        if self.serving.number != self.store.state.serving:
            self._swap(self.store.state.serving)
        link = self.store.current
        astray = link != self.store.state.serving
        return self.what_serves() + (f"; the link 'current' still leads to release {link}" if astray else "")

    def what_serves(self) -> str:
        """One clause for people."""
        state = self.store.state
        if state.serving is None:
            return "no release serves"
        return f"release {state.serving} serves{'' if state.trial is None else ' on trial'}"

    def verify(self, note: Note) -> dict[str, Any]:
        """Hash every release again and test the one that serves: `releases` with `n`, `sound`, `signed` as `_signature`
        has it and, where something is to be said, `why`; and the result of the self-test where that went well."""
        trust, found = Trust(self.store.root), []
        result: dict[str, Any] = {}
        for n in sorted(self.store.state.releases):
            note(f"hashing release {n}")
            item: dict[str, Any] = {"n": n, "sound": True}
            try:
                self.store.check_release(n)
                if n == self.store.state.serving:
                    result = selftest(self.store, n, note)
            except (Refused, OSError) as error:
                said = error.reason if isinstance(error, Refused) else refusal(error).reason
                item.update(sound=False, why=said[:LONGEST_WHY])
            else:
                item.update(self._signature(trust, n))
            found.append(item)
        return {"releases": found, **result}

    def _signature(self, trust: Trust, n: int) -> dict[str, Any]:
        """What the present keys say to a sound release: `signed`, the ids of those that signed it, none where there are
        signatures and no keys to judge them; or `why` not. One that was confirmed serves on, whatever they say."""
        envelope = self.store.envelope(n)
        try:
            signers = trust.check((self.store.release(n) / "manifest.json").read_bytes(), envelope)
        except Refused as refused:
            return {"why": refused.reason[:LONGEST_WHY]}
        return {} if envelope is None else {"signed": signers}


def _mark_confirmed(state: State, why: str, security: int) -> None:
    n = state.trial
    assert n is not None
    state.security_version = max(state.security_version, security)
    state.previous, state.current, state.trial, state.starts = state.current, n, None, 0
    state.releases[n].update(state="confirmed", why=why[:LONGEST_WHY])


def _mark_bad(state: State, why: str) -> None:
    assert state.trial is not None
    state.releases[state.trial].update(state="bad", why=why[:LONGEST_WHY])
    if state.previous == state.trial:
        state.previous = None  # It served once; nobody shall go back to it now.
    state.trial, state.starts = None, 0
