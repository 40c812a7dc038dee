"""What a release must do before a device confirms it: the policy that travels in the manifest, as data.

Read by host and agent alike: Python 3.9 and the standard library alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from edgeq.units import format_bytes, format_seconds

LONGEST_S = 7 * 24 * 3600.0
MOST = 65535
"""The most inferences that can be asked for: a microcontroller counts in 16 bits."""


@dataclass(frozen=True)
class ConfirmPolicy:
    """A trial ends well once it has served for `window_s` seconds, `good` inferences were good, and `health` says so.

    It ends badly, and what served before serves again, at the first `bad` inferences reported (0: they do not count),
    at a failure of `on_activate` or `health`, or when the agent starts anew for more than the `starts`-th time during
    it. `on_activate` and `health` are commands, a list of arguments each, that run on the device without a shell:
    the first whenever another release begins to serve, the second every `health_every_s` seconds of a trial and once
    before its end, for at most `timeout_s` each. `manual` waits for 'edgeq confirm' as well. Before a trial,
    `latency_ms` is the longest median of an inference on the device and `memory_bytes` the most memory of the process
    in which the model runs; 0 asks for neither. Times are those of the device's monotonic clock.
    """

    window_s: float = 0.0
    good: int = 0
    bad: int = 1
    starts: int = 1
    health: tuple[str, ...] = ()
    health_every_s: float = 10.0
    on_activate: tuple[str, ...] = ()
    timeout_s: float = 30.0
    manual: bool = False
    latency_ms: float = 0.0
    memory_bytes: int = 0

    @property
    def at_once(self) -> bool:
        """Whether a trial ends with its self-test."""
        return not (self.window_s or self.good or self.health or self.manual)

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = ConfirmPolicy()
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
            if value != getattr(plain, name)
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ConfirmPolicy:
        """`ValueError` names the first key that is unknown or out of range."""
        known = {field.name: field for field in fields(cls)}
        for key, value in data.items():
            if key not in known:
                raise ValueError(f"'{key}' is not a key of a confirm policy; known: {', '.join(known)}")
            _check(key, value, getattr(cls(), key))
        given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        return cls(**given)


def describe_policy(policy: ConfirmPolicy) -> str:
    """The trial in words."""
    if policy.at_once:
        return "none; the golden vectors once more where it serves, then it is confirmed"
    wanted = [
        *([f"{format_seconds(policy.window_s)} of serving"] if policy.window_s else []),
        *([f"{policy.good} good inferences"] if policy.good else []),
        *(["the health command"] if policy.health else []),
        *(["'edgeq confirm'"] if policy.manual else []),
    ]
    return f"on trial until {', '.join(wanted)}"


def describe_gates(policy: ConfirmPolicy) -> list[str]:
    """What is measured before a trial, in words."""
    return [
        *([f"the median inference takes at most {policy.latency_ms:g} ms"] if policy.latency_ms else []),
        *([f"the model's process takes at most {format_bytes(policy.memory_bytes)}"] if policy.memory_bytes else []),
    ]


def describe_checks(golden: Mapping[str, Any], policy: ConfirmPolicy, envelope: object, serving: object) -> list[str]:
    """What is checked on the way to a confirmed release, in order, in words; `golden` is that of the manifest, and
    `envelope` and `serving` are None where there are no signatures, and where nothing serves."""
    return [
        f"verify: the SHA-256 of every member{'' if envelope is None else ' and its signatures'}",
        f"self-test: {golden.get('vectors')} golden vectors, tolerance {golden.get('tolerance')} output step(s)",
        *([] if serving is None else ["interface: as applications know it"]),
        *(f"gates: {gate}" for gate in describe_gates(policy)),
        f"watch: {describe_policy(policy)}",
    ]


def _check(key: str, value: Any, plain: Any) -> None:
    if isinstance(plain, bool):
        good, wanted = isinstance(value, bool), "true or false"
    elif isinstance(plain, tuple):
        good = isinstance(value, (list, tuple)) and all(isinstance(item, str) and "\0" not in item for item in value)
        wanted = "a command as a list of texts, such as ['/usr/bin/systemctl', 'is-active', 'my-app']"
    else:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        whole = number and (isinstance(plain, float) or isinstance(value, int))
        most = LONGEST_S if key.endswith("_s") else float(MOST) if key in ("good", "bad", "starts") else float(1 << 40)
        good, wanted = bool(whole and 0 <= value <= most), f"a number from 0 to {most:g}"
    if not good:
        raise ValueError(f"'{key}' must be {wanted}; it says {value!r}")
