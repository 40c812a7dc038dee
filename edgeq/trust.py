"""The verb `trust --from`: the host keys of a whole lab, each fetched, compared with a list, and only then kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import EdgeqError, UsageError
from edgeq.host.parallel import DONE, FAILED, Outcome, Progress, Watch, for_each, unwatched
from edgeq.link.known_hosts import Expected, HostKey, remember_all

JOBS = 16
CONNECT_S = 15.0
DEADLINE_S = 30.0
"""Of one host: looking up its name, jump hosts and the key exchange together."""

TRUSTED = "trusted"


@dataclass(frozen=True)
class Compared:
    """One host of the list: its key is trusted now, or `error` says why not; another `state` is one of
    `edgeq.host.parallel`."""

    host: str
    state: str
    key: HostKey | None = None
    error: EdgeqError | None = None


def trust_listed(
    hosts: Sequence[Expected],
    path: Path,
    *,
    replace: bool = False,
    jobs: int = JOBS,
    deadline_s: float = DEADLINE_S,
    watch: Watch = unwatched,
) -> list[Compared]:
    """Ask every host of the list at `path` for its key and keep, in one write, those that are what the list says."""

    def fetch(expected: Expected, progress: Progress) -> HostKey:
        progress(f"asking {expected.address}")
        return _fetch(expected, path)

    outcomes = for_each(hosts, fetch, jobs=jobs, deadline_s=deadline_s, watch=watch)
    fetched = [outcome.result for outcome in outcomes if outcome.result]
    refusals = dict(zip(fetched, remember_all(fetched, replace=replace), strict=True))
    return [_compared(expected, outcome, refusals) for expected, outcome in zip(hosts, outcomes, strict=True)]


def _fetch(expected: Expected, path: Path) -> HostKey:
    from edgeq.link.ssh_config import resolve
    from edgeq.link.ssh_connect import Connection

    # With the list as the file of host keys, a host is asked for the types of key that the list has.
    connection = Connection(resolve(expected.address, known_hosts=path), CONNECT_S)
    try:
        key = connection.host_key
    finally:
        connection.close()
    if key.fingerprint not in expected.fingerprints:
        raise UsageError(
            f"{expected.host} shows the {key.type} key {key.fingerprint}; {expected.place} says "
            f"{' or '.join(expected.fingerprints)}.",
            "Do not connect before you know why.",
        )
    return key


def _compared(expected: Expected, outcome: Outcome[HostKey], refusals: Mapping[HostKey, EdgeqError | None]) -> Compared:
    key = outcome.result
    if outcome.state != DONE or key is None:
        return Compared(expected.host, outcome.state, error=outcome.error)
    refused = refusals[key]
    return Compared(expected.host, FAILED if refused else TRUSTED, key, refused)
