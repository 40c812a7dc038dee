"""A random walk over everything that happens to a device, against a reference model that fits on a page.

The model knows the state of every release, and which is current, previous and on trial. After each step the device must
be where the model is: what it answers, its state file and its link `current`. Where a kill or a cut leaves open whether
a step was carried out, the model takes what the device says, if that is what was before or what was asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import threading
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar

from bundles import tiny
from fault_lab import Lab, files_of
from hypothesis import HealthCheck, Phase, settings, strategies
from hypothesis import seed as seeded
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from walk_device import GOOD, POLICIES, WRONG, Agent, bundles, damaged_blobs, models_nearby, sound, state_of, until

from edgeq.agent.micro import NAME
from edgeq.deploy import deploy
from edgeq.device.device import Device
from edgeq.errors import DeviceError, EdgeqError, LinkError, ProtocolError
from edgeq.protocol.status import Status
from edgeq.quantize.golden import make_golden

KEEP = 3
NAMES = strategies.sampled_from(list(POLICIES))
MEMBERS = ("manifest.json", "interface.json", "golden.cbor", "model.tflite", "image.eqi")
"""Those of which a byte may change. Not the library: this process has it mapped."""


@dataclass
class Reference:
    """What a device must be like. `releases` maps n to [bundle's digest, state]."""

    releases: dict[int, list[str]] = field(default_factory=dict)
    current: int | None = None
    previous: int | None = None
    trial: int | None = None
    good: int = 0
    starts: int = 0

    @property
    def serving(self) -> int | None:
        return self.current if self.trial is None else self.trial

    def try_out(self, n: int, confirmed: bool) -> None:
        self.trial, self.good, self.starts = n, 0, 0
        self.releases[n][1] = "trial"
        if confirmed:
            self.confirm()

    def confirm(self) -> None:
        assert self.trial is not None
        self.releases[self.trial][1] = "confirmed"
        self.previous, self.current, self.trial = self.current, self.trial, None

    def revert(self) -> None:
        assert self.trial is not None
        self.releases[self.trial][1] = "bad"
        if self.previous == self.trial:
            self.previous = None
        self.trial = None


class Walk(RuleBasedStateMachine):
    """One device."""

    lab: ClassVar[Lab]

    def __init__(self) -> None:
        super().__init__()
        self.bundles = bundles(self.lab)
        self.names = {bundle.digest: name for name, bundle in self.bundles.items()}
        self.root = self.lab.new() / "store"
        self.root.mkdir()
        (self.root / "settings.json").write_text(f'{{"keep": {KEEP}}}')
        self.agent = Agent(self.root)
        self.model = Reference()

    def teardown(self) -> None:
        self.agent.close()
        shutil.rmtree(self.root.parent, ignore_errors=True)

    @initialize()
    def begin(self) -> None:
        """Something serves from the beginning: on most devices most of the time."""
        self.deploys("first")

    # Steps that end as the model says. Which step comes next depends on nothing that the device did: a race may end in
    # several ways, and hypothesis wants the same choices after the same choices.

    @rule(name=NAMES)
    def deploys(self, name: str) -> None:
        before, damaged = deepcopy(self.model), self.damaged(name)
        with self.agent.device() as device:
            try:
                done = deploy(self.bundles[name], device, watch=False)
            except DeviceError as error:
                self.refused(name, error, before, damaged)
                return
        self.agent.idle()
        self.take_new(before)
        model, policy = self.model, POLICIES[name]
        assert name != WRONG, "it serves, though its golden vectors are not met"
        assert model.releases[done.n][0] == self.bundles[name].digest
        if done.changed:
            assert before.trial is None, "it serves, though another release is on trial"
            model.try_out(done.n, policy.at_once)
        else:
            assert done.n == before.serving
        assert done.state == model.releases[done.n][1]

    def refused(self, name: str, error: DeviceError, before: Reference, damaged: bool) -> None:
        """There is a reason, and all that may have changed is that a release was staged."""
        self.agent.idle()
        self.take_new(before)
        told = f"release {before.serving} ("
        assert before.serving is None or (told in error.message and "serves" in error.message), error.message
        if damaged and error.status in (Status.DIGEST, Status.INTERFACE, Status.IO):
            return
        if before.trial is not None and re.search(rf"release {before.trial}\b.* is on trial", error.message):
            assert error.status in (Status.BUSY, Status.STATE), error.message
        else:
            assert name == WRONG and error.status == Status.SELFTEST, error.message

    @rule()
    def rolls_back(self) -> None:
        model = self.model
        back = model.previous if model.trial is None else model.current
        with self.agent.device() as device:
            try:
                n = device.rollback()
            except DeviceError as error:
                if back is None:
                    assert error.status == Status.STATE, error.message
                else:
                    assert not self.sound(back) and error.status == Status.DIGEST, error.message
                return
        assert n == back
        if model.trial is not None:
            model.revert()
        else:
            model.current, model.previous = model.previous, model.current

    @rule()
    def confirms(self) -> None:
        trial = self.model.trial
        if trial is None:
            return
        whole = self.manifest_sound(trial)
        with self.agent.device() as device:
            try:
                device.confirm(trial)
            except DeviceError as error:
                waits = self.name_of(trial) == "counted" and self.model.good < GOOD
                assert waits or not whole, error.message
                if waits:
                    return
        until(lambda: state_of(self.root)["trial"] is None, "a word of confirmation does not end the trial")
        self.agent.idle()
        self.model.confirm() if whole else self.model.revert()

    @rule(count=strategies.integers(1, 3))
    def infers(self, count: int) -> None:
        """Answers are right, whatever else goes on; they count during a trial."""
        inputs, _ = tiny()[2]
        for _ in range(count):
            n = self.model.serving
            assert n is not None
            with self.agent.device() as device:
                try:
                    answer = device.invoke(inputs[0][0])
                except DeviceError as error:
                    assert not self.sound(n), error.message
                    self.agent.idle()
                    self.settle_trial()
                    return
            assert answer == right_answer(), "a wrong answer"
            self.counted(1)

    @rule(bad=strategies.booleans())
    def reports(self, bad: bool) -> None:
        trial = self.model.trial
        if trial is None:
            return
        with self.agent.device() as device:
            device.report(trial, good=int(not bad), bad=int(bad))
        if bad:
            self.agent.idle()
            until(lambda: state_of(self.root)["trial"] is None, "a bad inference does not end the trial")
            self.agent.idle()
            self.model.revert()
        else:
            self.counted(1)

    @rule()
    def verifies(self) -> None:
        with self.agent.device() as device:
            found = {item["n"]: item["sound"] for item in device.verify()["releases"]}
        assert found == {n: self.sound(n) for n in self.model.releases}

    @rule(politely=strategies.booleans())
    def starts(self, politely: bool) -> None:
        """The agent ends, or is killed while it does nothing."""
        self.agent.start_anew(politely=politely)
        self.started(counts=not politely)

    def started(self, *, counts: bool) -> None:
        """A trial goes on from the beginning after the first start, if its release is sound."""
        model = self.model
        if model.trial is None:
            return
        model.starts += int(counts)
        model.good = 0
        if model.starts > 1 or not self.sound(model.trial):
            model.revert()
        if model.trial is not None and POLICIES[self.name_of(model.trial)].at_once:
            model.confirm()

    @rule(which=strategies.integers(0, 4), member=strategies.sampled_from(MEMBERS))
    def rots(self, which: int, member: str) -> None:
        """A byte of a stored file changes where it lies: in a release and in the blob that it is a link to."""
        there = sorted(self.model.releases)
        n = there[which % len(there)]
        path = self.root / "releases" / str(n) / member
        with path.open("r+b") as file:
            file.seek(-1, 2)
            last = file.read(1)
            file.seek(-1, 2)
            file.write(bytes([last[0] ^ 0x20]))

    # steps that may be carried out or not

    @rule(name=NAMES, after=strategies.integers(0, 60))
    def is_killed_while_deploying(self, name: str, after: int) -> None:
        before = deepcopy(self.model)
        self.agent.arm(after)
        self.attempt(name, None)
        self.agent.start_anew()
        self.resync(before, name)

    @rule(after=strategies.integers(0, 12))
    def is_killed_while_rolling_back(self, after: int) -> None:
        before = deepcopy(self.model)
        self.agent.arm(after)
        with self.agent.device() as device, contextlib.suppress(EdgeqError, KeyError):
            device.rollback()
        self.agent.start_anew()
        self.resync(before, None)

    @rule(name=NAMES, at=strategies.integers(1, 20_000))
    def is_cut_while_deploying(self, name: str, at: int) -> None:
        before = deepcopy(self.model)
        self.attempt(name, at)
        self.agent.idle()
        self.resync(before, name)

    def attempt(self, name: str, cut_at: int | None) -> None:
        with self.agent.device(cut_at) as device:
            try:
                deploy(self.bundles[name], device, watch=False)
            except (LinkError, ProtocolError):
                pass
            except DeviceError as error:
                assert "release" in error.message, error.message

    @rule(name=NAMES)
    def is_held(self, name: str) -> None:
        """Somebody else is at work: the deploy is refused, says who it is, and changes nothing."""
        with self.agent.device() as other, self.agent.device() as device:
            other.hold("somebody@else")
            try:
                deploy(self.bundles[name], device, watch=False)
            except DeviceError as error:
                assert error.status == Status.BUSY and "somebody@else" in error.message, error.message
            else:
                raise AssertionError("two at once")

    @rule(names=strategies.lists(NAMES, min_size=2, max_size=3))
    def race(self, names: list[str]) -> None:
        """Several hosts at once: whoever is told that its release serves is not contradicted by the device."""
        before, said, guard = deepcopy(self.model), [], threading.Lock()

        def run(name: str) -> None:
            try:
                with self.agent.device() as device:
                    deploy(self.bundles[name], device, watch=False)
            except DeviceError as error:
                with guard:
                    said.append(error)

        threads = [threading.Thread(target=run, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.agent.idle()
        for error in said:
            fair = {Status.BUSY, Status.STATE, Status.SELFTEST, Status.DIGEST, Status.INTERFACE}
            assert error.status in fair, error.message
        self.resync(before, *names)

    # the model and the device

    def resync(self, before: Reference, *names: str | None) -> None:
        """Take what the device says, if one of these deploys, or a rollback, may have led there from `before`."""
        state = state_of(self.root)
        digests = {self.bundles[name].digest for name in names if name}
        for n, entry in before.releases.items():
            now = state["releases"].get(str(n))
            if now is None:
                assert n not in {before.current, before.previous, before.trial}, f"release {n} was in use and is gone"
                newest = sorted(int(item) for item in (*before.releases, *state["releases"]))[-KEEP:]
                assert n not in newest, f"release {n} was acknowledged, is one of the newest, and is gone"
                continue
            assert now["sha"] == entry[0]
            assert now["state"] == entry[1] or (entry[1], now["state"]) in {
                ("staged", "trial"),
                ("staged", "confirmed"),
                ("staged", "bad"),
                ("trial", "bad"),
                ("trial", "confirmed"),
                ("confirmed", "trial"),
                ("confirmed", "bad"),
            }, f"release {n} was {entry[1]} and is {now['state']}"
        serving = state["current"] if state["trial"] is None else state["trial"]
        legal = {None if n is None else before.releases[n][0] for n in (before.current, before.previous, before.trial)}
        found = None if serving is None else state["releases"][str(serving)]["sha"]
        assert found in legal | digests, f"{self.names.get(str(found))} serves"
        assert serving is not None or before.serving is None, "nothing serves any more"
        for n in (state["current"], state["previous"]):
            confirmed = n is None or state["releases"][str(n)]["state"] == "confirmed"
            assert confirmed or n == state["trial"] != state["current"], f"release {n} is no way back"
        self.model = Reference(
            {int(n): [entry["sha"], entry["state"]] for n, entry in state["releases"].items()},
            state["current"],
            state["previous"],
            state["trial"],
            self.progress(),
            state.get("starts", 0) if state["trial"] is not None else 0,
        )

    def progress(self) -> int:
        watch = self.agent.service.transaction.watcher.progress()
        return int(watch["good"]) if watch else 0

    def take_new(self, before: Reference) -> None:
        """Releases that were staged, and those that had to go for them."""
        state = state_of(self.root)
        now = {int(n) for n in state["releases"]}
        for n in sorted(now - set(before.releases)):
            self.model.releases[n] = [state["releases"][str(n)]["sha"], "staged"]
        newest = sorted(self.model.releases)[-KEEP:]
        for n in set(self.model.releases) - now:
            assert n not in newest and n not in {before.current, before.previous, before.trial}, f"release {n} is gone"
            del self.model.releases[n]

    def counted(self, good: int) -> None:
        """A good inference, which may be the last one that the trial needs."""
        model = self.model
        if model.trial is None:
            return
        model.good += good
        if self.name_of(model.trial) == "counted" and model.good >= GOOD:
            trial = model.trial
            until(lambda: state_of(self.root)["trial"] is None, "the trial does not end")
            self.agent.idle()
            model.confirm() if self.manifest_sound(trial) else model.revert()

    def settle_trial(self) -> None:
        """An inference of a damaged release has failed: that ends its trial."""
        if self.model.trial is not None:
            until(lambda: state_of(self.root)["trial"] is None, "a failed inference does not end the trial")
            self.agent.idle()
            self.model.revert()

    def name_of(self, n: int) -> str:
        return self.names[self.model.releases[n][0]]

    def sound(self, n: int) -> bool:
        return sound(self.root, n, self.model.releases[n][0])

    def manifest_sound(self, n: int) -> bool:
        data = (self.root / "releases" / str(n) / "manifest.json").read_bytes()
        return hashlib.sha256(data).hexdigest() == self.model.releases[n][0]

    def damaged(self, name: str) -> bool:
        """Whether something is damaged that this deploy may meet: a blob of it, or what serves."""
        serving = self.model.serving
        mine = [n for n, entry in self.model.releases.items() if entry[0] == self.bundles[name].digest]
        return (
            bool(damaged_blobs(self.root) & set(files_of(self.bundles[name])))
            or (serving is not None and not self.sound(serving))
            or any(not self.sound(n) for n in mine)
        )

    @invariant()
    def the_device_is_where_the_model_is(self) -> None:
        model, state = self.model, state_of(self.root)
        for name in ("current", "previous", "trial"):
            assert state[name] == getattr(model, name), f"{name} is {state[name]}, not {getattr(model, name)}"
        stored = {int(n): [entry["sha"], entry["state"]] for n, entry in state["releases"].items()}
        assert stored == model.releases
        with self.agent.device() as device:
            self.says_so(device)
        link = self.root / "current"
        told = link.resolve().name if link.is_symlink() else "None"
        assert told == str(model.serving), f"the link 'current' names {told}"

    def says_so(self, device: Device) -> None:
        model, found = self.model, device.installed()
        assert {release.n: [release.digest, release.state] for release in found.releases} == model.releases
        assert (found.current, found.previous, found.trial) == (model.current, model.previous, model.trial)
        assert (found.serving.n if found.serving else None) == model.serving
        assert all(release.why for release in found.releases if release.state == "bad")
        assert (found.watch is not None) == (model.trial is not None)


@cache
def right_answer() -> bytes:
    """What every sound release answers to the first of the tiny model's samples."""
    data, _, (inputs, _) = tiny()
    return make_golden(data, inputs[:1], NAME).outputs[0][0]


def walk(lab: Lab, seed: int, *, walks: int, steps: int) -> None:
    """So many walks of so many steps, the same ones for the same seed."""
    machine = type("SeededWalk", (Walk,), {"lab": lab})
    how = settings(
        max_examples=walks,
        stateful_step_count=steps,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        phases=[Phase.generate],  # a walk that failed is told as it was: to make it shorter would take too long
    )
    with models_nearby():
        run_state_machine_as_test(seeded(seed)(machine), settings=how)  # type: ignore[no-untyped-call]
