"""`edgeq-agent apply FILE.eqb`: a deploy with no host, from a USB stick or whatever else delivers files.

The transaction of `edgeq deploy`, through the same daemon by the same requests. The file is only read; its medium may
be read-only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable

from edgeq.agent.eqb import WHEELS, Eqb, EqbError, Member
from edgeq.agent.errors import Refused
from edgeq.agent.fitting import fitting
from edgeq.agent.itself import Itself, no
from edgeq.agent.policy import policy_of
from edgeq.errors import ArtifactError, UsageError
from edgeq.protocol.status import Status
from edgeq.transaction.changes import changes
from edgeq.transaction.confirm import ConfirmPolicy, describe_checks
from edgeq.transaction.releases import Progress
from edgeq.transaction.steps import Steps, Tell, unheard
from edgeq.transaction.transaction import (
    SPACE_MARGIN,
    Deployed,
    Transaction,
    require_interface,
    require_space,
    user_name,
)
from edgeq.units import format_bytes

COPY = "Copy it again, or pack it again."


@dataclass(frozen=True)
class How:
    """What may be said on the line."""

    allow_interface_change: bool = False
    wait_s: float = 0.0
    watch: bool = True


def apply(eqb: Eqb, root: Path, how: How, progress: Progress, events: Tell = unheard) -> Deployed:
    """Let the bundle serve from the store `root`; at any failure what served before serves, and the error says which
    step failed and what serves."""
    with Itself(root) as device:
        return Transaction(_Parcel(eqb, device), device, Steps(progress, events)).run(**asdict(how))


def plan(eqb: Eqb, root: Path, how: How, progress: Progress) -> dict[str, Any]:
    """What `apply` would do, as `edgeq deploy --dry-run --json` tells it; nothing is changed."""
    with Itself(root) as device:
        return _Parcel(eqb, device).plan(how, progress)


def opened(path: Path) -> Eqb:
    """The file with every member hashed: it is small, or there is time."""
    try:
        eqb = Eqb(path)
    except EqbError as error:
        hint = "Apply it with a newer agent." if error.newer else COPY
        raise ArtifactError(f"'{path}' cannot be applied: {error.reason}.", hint) from error
    except OSError as error:
        hint = "Name a file that 'edgeq pack' wrote."
        raise UsageError(f"'{path}' cannot be read: {error.strerror or error}.", hint) from error
    try:
        eqb.check()
    except (EqbError, OSError) as error:
        eqb.close()
        reason = error.reason if isinstance(error, EqbError) else f"it cannot be read: {error.strerror}"
        raise ArtifactError(f"'{path}' cannot be applied: {reason}.", COPY) from error
    return eqb


class _Parcel:
    """A file for this device, as `edgeq.transaction.Parcel` has it; `blobs` are all that the release is made of, by
    digest."""

    pinned = False

    def __init__(self, eqb: Eqb, device: Itself) -> None:
        self._eqb, self._device = eqb, device
        self.name, self.digest = eqb.name, eqb.digest
        self.who = f"{user_name()} on the device (pid {os.getpid()}) applies {eqb.name}"
        self._wheels: tuple[str, ...] = ()
        self._system: str | None = None
        self._blobs: dict[str, Member] = {}

    @property
    def signed(self) -> bool:
        return self._eqb.envelope is not None

    def preflight(self, _progress: Progress) -> ConfirmPolicy:
        facts, eqb = self._device.describe(), self._eqb
        try:
            wheels, self._system = fitting(eqb.manifest, facts)
            if facts.get("signed") and not self.signed:
                raise Refused(Status.SIGNATURE, "it takes signed bundles only, and the file has no signature")
            policy = policy_of(eqb.manifest)
        except Refused as refused:
            raise no(refused) from refused
        self._wheels = tuple(wheel["sha256"] for wheel in wheels)
        self._blobs = {member.sha256: member for name, member in eqb.members.items() if not name.startswith(WHEELS)}
        self._blobs[eqb.digest] = Member("manifest.json", 0, len(eqb.manifest_bytes), eqb.digest)
        for wheel in wheels:
            absent = Member(wheel["file"], 0, int(wheel["size"]), wheel["sha256"])
            self._blobs[wheel["sha256"]] = eqb.members.get(WHEELS + wheel["file"], absent)
        return policy

    def changes(self, progress: Progress) -> list[str] | None:
        try:
            return changes(json.loads(self._device.member("interface.json")), self._eqb.json("interface.json"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            progress(f"the interface of what serves cannot be compared: {error!r}"[:200])
            return None

    def push(self, steps: Steps, runtime: bool = True) -> None:
        missing = self._missing(runtime)
        require_space(self._need(missing), self._device.free_bytes, self._device.address)
        for sha, offset in missing.items():
            member = self._blobs[sha]
            if offset:
                percent = 100 * offset // max(1, member.size)
                steps.note(f"{member.name} resumes at {percent} %", file=member.name, offset=offset)
            if member.size > 1 << 20:
                steps.note(f"sending {member.name} ({format_bytes(member.size)})", file=member.name)
            try:
                self._device.put(sha, member.size, offset, self._reader(sha, member))
            except EqbError as error:
                raise ArtifactError(f"The file is damaged: {error.reason}.", COPY) from error

    def stage(self, progress: Progress, runtime: bool = True) -> int:
        wheels, system = (self._wheels, self._system) if runtime else ((), None)
        return self._device.stage(self.digest, wheels, progress, system, self._eqb.envelope)

    def selftest(self, n: int, progress: Progress) -> dict[str, Any]:
        return self._device.selftest(n, progress)

    def _missing(self, runtime: bool = True) -> dict[str, int]:
        """The blobs that the store lacks, with the offset from which it wants each."""
        found = self._device.missing([sha for sha in self._blobs if runtime or sha not in self._wheels])
        for sha in found:
            member = self._blobs[sha]
            if not member.at and sha != self.digest:
                what = f"the file lacks the runtime wheel {member.name}, and so does this device"
                raise no(Refused(Status.NOT_FOUND, what))
        return found

    def _need(self, missing: Mapping[str, int]) -> int:
        sent = (self._blobs[sha].size - offset for sha, offset in missing.items() if sha != self.digest)
        return SPACE_MARGIN * sum(sent)

    def _reader(self, sha: str, member: Member) -> Callable[[int, int], bytes]:
        if sha == self.digest:
            return lambda offset, count: self._eqb.manifest_bytes[offset : offset + count]
        return lambda offset, count: self._eqb.read(member, offset, count)

    def plan(self, how: How, progress: Progress) -> dict[str, Any]:
        """What would be done."""
        policy, device = self.preflight(progress), self._device
        serving = device.installed().serving
        differ = (self.changes(progress) if serving else None) or []
        require_interface(device.address, differ, how.allow_interface_change)
        same = serving is not None and serving.digest == self.digest
        missing, free = self._missing(runtime=not same), device.free_bytes
        files: list[dict[str, Any]] = [
            {
                "name": member.name,
                "sha256": sha,
                "size_bytes": member.size,
                "offset": missing.get(sha, member.size),
                "send_bytes": member.size - missing.get(sha, member.size),
            }
            for sha, member in self._blobs.items()
        ]
        if not same:
            require_space(self._need(missing), free, device.address)
        return {
            "device": str(device.root),
            "name": self.name,
            "digest": self.digest,
            "target": self._eqb.manifest["target"],
            "unchanged": same,
            "returns_to": asdict(serving) if serving else None,
            "files": files,
            "send_bytes": sum(file["send_bytes"] for file in files),
            "need_bytes": self._need(missing),
            "free_bytes": free,
            "system_runtime": self._system,
            "signed": self.signed,
            "interface_changes": differ,
            "confirm": policy.to_json(),
            "checks": describe_checks(self._eqb.manifest["golden"], policy, self._eqb.envelope, serving),
        }
