"""`edgeq-agent apply FILE.eqb`: a deploy with no host, from a USB stick or whatever else delivers files.

The same transaction in the same steps and words as `edgeq deploy`, through the same daemon by the same requests. The
file is only read; its medium may be read-only.
"""

from __future__ import annotations

import getpass
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, TypeVar

from edgeq import steps as names
from edgeq.agent.applied import (
    ARTIFACT,
    BAD,
    CONFIRMED,
    GATE,
    LINK,
    STAGED,
    TRIAL,
    USAGE,
    Applied,
    ApplyError,
    failure,
    release,
    words,
)
from edgeq.agent.eqb import WHEELS, Eqb, EqbError, Member
from edgeq.agent.errors import Refused
from edgeq.agent.fitting import fitting
from edgeq.agent.here import REQUEST_TIMEOUT_S, Gone, Here
from edgeq.agent.policy import policy_of
from edgeq.changes import changes
from edgeq.confirm import ConfirmPolicy, describe_checks, describe_policy
from edgeq.protocol import contract
from edgeq.protocol.status import Status
from edgeq.steps import Steps, Tell, unheard
from edgeq.units import format_bytes

WAITS_FOR_PEOPLE = "to be confirmed"
SPACE_MARGIN = 2
RECONNECT_S = 60.0
LONGEST_PAUSE_S = 1.0


@dataclass(frozen=True)
class How:
    """What may be said on the line."""

    allow_interface_change: bool = False
    wait_s: float = 0.0
    watch: bool = True


@dataclass(frozen=True)
class Fit:
    """What is settled before anything changes; `blobs` are all that the release is made of, by digest."""

    policy: ConfirmPolicy
    wheels: tuple[str, ...]
    system: str | None
    blobs: dict[str, Member]


Progress = Callable[[str], None]
Result = TypeVar("Result")


def apply(eqb: Eqb, root: Path, how: How, progress: Progress, events: Tell = unheard) -> Applied:
    """Let the bundle serve from the store `root`; at any failure what served before serves, and the `ApplyError` says
    which step failed and what serves."""
    return _Apply(eqb, root, how, Steps(progress, events)).told(_Apply.run)


def plan(eqb: Eqb, root: Path, how: How, progress: Progress) -> dict[str, Any]:
    """What `apply` would do, as `edgeq deploy --dry-run --json` tells it; nothing is changed."""
    return _Apply(eqb, root, how, Steps(progress)).told(_Apply.plan)


def opened(path: Path) -> Eqb:
    """The file with every member hashed: it is small, or there is time."""
    try:
        eqb = Eqb(path)
    except EqbError as error:
        hint = "Apply it with a newer agent." if error.newer else "Copy it again, or pack it again."
        raise ApplyError(f"'{path}' cannot be applied: {error.reason}.", hint, ARTIFACT) from error
    except OSError as error:
        hint = "Name a file that 'edgeq pack' wrote."
        raise ApplyError(f"'{path}' cannot be read: {error.strerror or error}.", hint, USAGE) from error
    try:
        eqb.check()
    except (EqbError, OSError) as error:
        eqb.close()
        reason = error.reason if isinstance(error, EqbError) else f"it cannot be read: {error.strerror}"
        raise ApplyError(
            f"'{path}' cannot be applied: {reason}.", "Copy it again, or pack it again.", ARTIFACT
        ) from error
    return eqb


def _daemon(root: Path) -> Here:
    try:
        return Here(root)
    except OSError as error:
        raise ApplyError(
            f"The store {root} cannot be used: {error.filename or root}: {error.strerror or error}.",
            "Give a folder on a disk that can be written: apply FILE.eqb FOLDER.",
        ) from error


class _Apply:
    """One file on its way into one store; `before` is what served when it began."""

    def __init__(self, eqb: Eqb, root: Path, how: How, steps: Steps) -> None:
        self.eqb, self.root, self.how, self.steps = eqb, root, how, steps
        self.here: Here = None  # type: ignore[assignment]  # until `told` opens it
        self.before: dict[str, Any] | None = None
        self.signed = False

    def told(self, work: Callable[[_Apply], Result]) -> Result:
        """Do it with a daemon that is started where none runs; every error says what serves."""
        try:
            self.here = _daemon(self.root)
            return work(self)
        except (Refused, Gone, EqbError, ApplyError) as error:
            raise self.explained(error) from error
        finally:
            if self.here is not None:
                self.here.close()

    def run(self) -> Applied:
        steps, eqb = self.steps, self.eqb
        with steps.step(names.PREFLIGHT):
            fit = self._preflight()
        with steps.step(names.HOLD):
            self._hold(_who(eqb.name), self.how.wait_s)
        self.before = serving = serving_of(self._installed())
        if serving and serving["sha"].hex() == eqb.digest and self._is_sound():
            if eqb.envelope is not None:
                self._sign(fit)
            return self._already(serving, fit)
        if serving:
            with steps.step(names.INTERFACE):
                for change in self._changes():
                    steps.note(change)
        with steps.step(names.STAGE):
            self._push(fit)
        with steps.step(names.VERIFY):
            n = self._stage(fit)
        with steps.step(names.SELFTEST):
            golden = self.here.job(contract.SELFTEST, {"n": n}, steps.note)
        if serving and n == serving["n"]:
            return self._already(serving, fit)
        state, found = self._activate(n, fit)
        previous = serving["n"] if serving else None
        return Applied(n, eqb.digest, previous, True, self.here.sent_bytes, {**golden, **found}, state, self.signed)

    def plan(self) -> dict[str, Any]:
        fit = self._preflight()
        serving = serving_of(self._installed())
        self.before = serving
        differ = self._changes() if serving else []
        missing = self._missing(fit)
        same = serving is not None and serving["sha"].hex() == self.eqb.digest
        files: list[dict[str, Any]] = [
            {
                "name": member.name,
                "sha256": sha,
                "size_bytes": member.size,
                "offset": missing.get(sha, member.size),
                "send_bytes": member.size - missing.get(sha, member.size),
            }
            for sha, member in fit.blobs.items()
        ]
        send = sum(file["send_bytes"] for file in files)
        free = int(self.here.ask(contract.DESCRIBE, {})["free_bytes"])
        if not same:
            self._require_space(fit, missing)
        return {
            "device": str(self.root),
            "name": self.eqb.name,
            "digest": self.eqb.digest,
            "target": self.eqb.manifest["target"],
            "unchanged": same,
            "returns_to": release(serving),
            "files": files,
            "send_bytes": send,
            "need_bytes": self._need(fit, missing),
            "free_bytes": free,
            "system_runtime": fit.system,
            "signed": self.eqb.envelope is not None,
            "interface_changes": differ,
            "confirm": fit.policy.to_json(),
            "checks": describe_checks(self.eqb.manifest["golden"], fit.policy, self.eqb.envelope, serving),
        }

    # the steps

    def _hold(self, who: str, wait_s: float = 0.0) -> None:
        """Be the only one that changes the device; passed over where an older agent knows no such thing."""
        try:
            self.here.ask(contract.HOLD, {"who": who, "wait_s": wait_s}, REQUEST_TIMEOUT_S + wait_s)
        except Refused as refused:
            if refused.status != Status.UNSUPPORTED:
                raise
            if who:
                self.steps.passed("")

    def _preflight(self) -> Fit:
        facts, eqb = self.here.ask(contract.DESCRIBE, {}), self.eqb
        wheels, system = fitting(eqb.manifest, facts)
        if facts.get("signed") and eqb.envelope is None:
            raise Refused(Status.SIGNATURE, "this device takes signed bundles only, and the file has no signature")
        blobs = {member.sha256: member for name, member in eqb.members.items() if not name.startswith(WHEELS)}
        blobs[eqb.digest] = Member("manifest.json", 0, len(eqb.manifest_bytes), eqb.digest)
        for wheel in wheels:
            absent = Member(wheel["file"], 0, int(wheel["size"]), wheel["sha256"])
            blobs[wheel["sha256"]] = eqb.members.get(WHEELS + wheel["file"], absent)
        return Fit(policy_of(eqb.manifest), tuple(wheel["sha256"] for wheel in wheels), system, blobs)

    def _installed(self) -> dict[str, Any]:
        return self.here.ask(contract.RELEASES, {})

    def _is_sound(self) -> bool:
        """Whether what serves is still what was installed; if not, it is applied anew."""
        with self.steps.step(names.SELFTEST):
            try:
                self.here.job(contract.SELFTEST, {}, lambda text: self.steps.note(f"already there: {text}"))
            except Refused as refused:
                if refused.status != Status.DIGEST:
                    raise
                self.steps.note(refused.reason)
                return False
        return True

    def _stage(self, fit: Fit) -> int:
        """The number of the release that the blobs are now."""
        body = {"sha": bytes.fromhex(self.eqb.digest), "wheels": [bytes.fromhex(sha) for sha in fit.wheels]}
        body.update({} if fit.system is None else {"system": fit.system})
        body.update({} if self.eqb.envelope is None else {"envelope": self.eqb.envelope})
        n = int(self.here.job(contract.STAGE, body, self.steps.note)["n"])
        self.signed = self.eqb.envelope is not None
        return n

    def _sign(self, fit: Fit) -> None:
        """Let what serves already have the file's signatures, and go on as it is: no wheels, no folder of a runtime."""
        with self.steps.step(names.VERIFY):
            own = {sha: member for sha, member in fit.blobs.items() if sha not in fit.wheels}
            fit = Fit(fit.policy, (), None, own)
            self._push(fit)
            self.steps.note(f"release {self._stage(fit)} has the bundle's signatures")

    def _already(self, serving: dict[str, Any], fit: Fit) -> Applied:
        state = serving["state"]
        if state == TRIAL and self.how.watch:
            state = self._watch(serving["n"], fit)
        n, sent = serving["n"], self.here.sent_bytes
        return Applied(n, self.eqb.digest, None, False, sent, state=state, signed=self.signed)

    def _changes(self) -> list[str]:
        """What applications would meet; INTERFACE where that is not allowed."""
        document = b""
        try:
            while True:
                answer = self.here.ask(contract.MEMBER, {"name": "interface.json", "off": len(document)})
                document += answer["data"]
                if len(document) >= answer["len"] or not answer["data"]:
                    break
            found = changes(json.loads(document), self.eqb.json("interface.json"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.steps.note(f"the interface of what serves cannot be compared: {error!r}"[:200])
            return []
        if found and not self.how.allow_interface_change:
            more = f"; and {len(found) - 3} more changes" if len(found) > 3 else ""
            what = f"the interface differs from that of the release that serves: {'; '.join(found[:3])}{more}"
            raise Refused(Status.INTERFACE, what)
        return found

    def _missing(self, fit: Fit) -> dict[str, int]:
        """The blobs that the store lacks, with the offset from which it wants each."""
        answer = self.here.ask(contract.BLOB_HAVE, {"sha": [bytes.fromhex(sha) for sha in fit.blobs]})
        found = {item["sha"].hex(): int(item["off"]) for item in answer["missing"]}
        for sha in found:
            member = fit.blobs[sha]
            if not member.at and sha != self.eqb.digest:
                what = f"the file lacks the runtime wheel {member.name}, and so does this device"
                raise Refused(Status.NOT_FOUND, what)
        return found

    def _need(self, fit: Fit, missing: Mapping[str, int]) -> int:
        return SPACE_MARGIN * sum(
            fit.blobs[sha].size - offset for sha, offset in missing.items() if sha != self.eqb.digest
        )

    def _require_space(self, fit: Fit, missing: Mapping[str, int]) -> None:
        need, free = self._need(fit, missing), int(self.here.ask(contract.DESCRIBE, {})["free_bytes"])
        if need > free:
            what = f"the deploy needs {format_bytes(need)}; {format_bytes(free)} are free"
            raise Refused(Status.NO_SPACE, what)

    def _push(self, fit: Fit) -> None:
        missing = self._missing(fit)
        self._require_space(fit, missing)
        for sha, offset in missing.items():
            member = fit.blobs[sha]
            if offset:
                percent = 100 * offset // max(1, member.size)
                self.steps.note(f"{member.name} resumes at {percent} %", file=member.name, offset=offset)
            if member.size > 1 << 20:
                self.steps.note(f"sending {member.name} ({format_bytes(member.size)})", file=member.name)
            for _ in self.here.put(sha, member.size, offset, self._reader(sha, member)):
                pass

    def _reader(self, sha: str, member: Member) -> Callable[[int, int], bytes]:
        if sha == self.eqb.digest:
            return lambda offset, count: self.eqb.manifest_bytes[offset : offset + count]
        return lambda offset, count: self.eqb.read(member, offset, count)

    def _activate(self, n: int, fit: Fit) -> tuple[str, dict[str, Any]]:
        """The state that release `n` ends in, and what the daemon told of it."""
        steps, found = self.steps, {}  # type: Steps, dict[str, Any]
        with steps.step(names.ACTIVATE):
            try:
                found = self.here.job(contract.ACTIVATE, {"n": n}, steps.note)
            except Gone as gone:
                found = self._found_out(n, fit, gone)
            except Refused as refused:
                if refused.status == Status.GATE:
                    steps.current = names.GATES
                raise
            state = str(found.pop("state", CONFIRMED))
            found.pop("n", None)
        if "latency_ms" in found:
            with steps.step(names.GATES):
                text = f"the median inference took {found['latency_ms']:.3g} ms"
                steps.note(text, latency_ms=found["latency_ms"])
        if state == TRIAL:
            if not self.how.watch:
                return state, found
            state = self._watch(n, fit)
        if state == CONFIRMED:
            with steps.step(names.CONFIRM):
                steps.note(f"release {n} is confirmed", n=n)
        return state, found

    def _found_out(self, n: int, fit: Fit, gone: Gone) -> dict[str, Any]:
        """What became of an activation in which the daemon ended: the next one goes on with it, or ends it."""
        deadline = time.monotonic() + fit.policy.window_s + RECONNECT_S
        while True:
            seen = _find(self._look(fit), n)
            if seen is None or time.monotonic() > deadline:
                raise gone
            if seen["state"] == BAD:
                why = str(seen.get("why") or "its trial failed").rstrip(".")
                raise Refused(Status.SELFTEST, f"the device went back from {words(seen)}: {why}")
            if seen["state"] != STAGED:
                return {"state": seen["state"]}
            try:
                return self.here.job(contract.ACTIVATE, {"n": n}, self.steps.note)
            except Gone:
                continue

    def _watch(self, n: int, fit: Fit) -> str:
        """Wait until the device has ended the trial: confirmed, or still on trial where only somebody's word lacks."""
        with self.steps.step(names.WATCH):
            self.steps.note(describe_policy(fit.policy))
            with suppress(Gone):  # an agent that has ended holds nothing, and the look below finds the next one
                self._hold("")
            pause, said = 0.05, ""
            while True:
                installed = self._look(fit)
                seen, watch = _find(installed, n), installed.get("watch") or {}
                if seen is None:
                    raise Refused(Status.NOT_FOUND, f"there is no release {n} any more")
                if seen["state"] == BAD:
                    why = str(seen.get("why") or "the trial of the release failed").rstrip(".")
                    message = f"This device went back from {words(seen)}: {why}."
                    raise ApplyError(message, "Find out why, build it again, and apply that.", GATE)
                if seen["state"] != TRIAL or (fit.policy.manual and watch.get("waits") == WAITS_FOR_PEOPLE):
                    return str(seen["state"])
                waits = str(watch.get("waits") or "")
                if waits.partition(" another ")[0] != said.partition(" another ")[0]:
                    said = waits
                    self.steps.note(f"waits {waits}", watch=watch)
                time.sleep(pause)
                pause = min(1.5 * pause, LONGEST_PAUSE_S)

    def _look(self, fit: Fit) -> dict[str, Any]:
        """The releases, asked of the next daemon where this one has ended."""
        try:
            return self._installed()
        except Gone as gone:
            broke = gone
        self.steps.note("the agent ended; it is started anew and goes on by itself")
        deadline = time.monotonic() + fit.policy.window_s + RECONNECT_S
        while True:
            self.here.close()
            try:
                self.here = _daemon(self.root)
                return self._installed()
            except (Gone, Refused, ApplyError):
                if time.monotonic() > deadline:
                    raise broke from None
                time.sleep(0.25)

    # the end

    def explained(self, error: Exception) -> ApplyError:
        """The error with the step at which it ended, and what serves now."""
        found = failure(error)
        because, step = found.message.rstrip("."), self.steps.current
        found.facts = {"step": step}
        lead = f"{because}. The apply ended at its {step} step; "
        found.message = f"{lead}{self._now(found)}."
        told = {"message": because, "hint": found.hint, "exit_code": found.exit_code}
        self.steps.failed(because, error={**told, **found.facts})
        return found

    def _now(self, error: ApplyError) -> str:
        try:
            if self.here is None or error.exit_code == LINK:
                raise Gone("")
            serving = serving_of(self._installed())
        except (Gone, Refused):
            return "what serves now is not known: the agent does not answer"
        error.facts["serving"] = release(serving)
        if serving is None:
            return "no release serves"
        still = "still " if self.before and self.before["n"] == serving["n"] else ""
        return f"{words(serving)} {still}serves"


def serving_of(installed: Mapping[str, Any]) -> dict[str, Any] | None:
    """The release that applications get, as `releases` tells it."""
    trial = installed["trial"]
    return _find(installed, installed["current"] if trial is None else trial)


def _find(installed: Mapping[str, Any], n: int | None) -> dict[str, Any] | None:
    return next((item for item in installed["releases"] if item["n"] == n), None)


def _who(name: str) -> str:
    """What others are told while this holds the device."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # nobody in the table of users has our number
        user = "somebody"
    return f"{user} on the device (pid {os.getpid()}) applies {name}"
