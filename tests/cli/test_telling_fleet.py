"""Results over many devices as people and scripts read them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from edgeq.cli.telling_fleet import (
    inventory_csv,
    tell_fleet_deployed,
    tell_fleet_releases,
    tell_fleet_rolled_back,
    tell_inventory,
    tell_trusted,
)
from edgeq.device.device import Release
from edgeq.errors import DeviceError, LinkError
from edgeq.fleet import Line, Row
from edgeq.host.parallel import DONE, FAILED, STOPPED, WAITING
from edgeq.inventory import Seen
from edgeq.link.known_hosts import HostKey
from edgeq.project import DeviceEntry
from edgeq.rollback import RolledBack
from edgeq.transaction.transaction import Deployed
from edgeq.trust import TRUSTED, Compared

A, B, C, D = (DeviceEntry(name, f"ssh://{name}", "rpi4") for name in ("a", "b", "c", "d"))
GONE = LinkError("ssh://b refused the connection.", "Is it up?")


def test_a_deploy_to_many() -> None:
    done = Deployed(2, "ab" * 32, 1, True, 5000, {"vectors": 4})
    rows = [
        Row(A, DONE, done, seconds=1.25, sent_bytes=5000),
        Row(D, DONE, Deployed(2, "ab" * 32, None, False, 100, {}), seconds=0.5, sent_bytes=100),
        Row(B, FAILED, error=GONE, seconds=3.0),
        Row(C, WAITING),
    ]
    bundles: Any = {name: SimpleNamespace(name="digits") for name in "abcd"}
    document, text = tell_fleet_deployed(rows, bundles, 130)
    assert document["exit_code"] == 130
    first, _, failed, waiting = document["devices"]
    assert first == {
        "device": "a",
        "address": "ssh://a",
        "state": "deployed",
        "error": None,
        "seconds": 1.25,
        "sent_bytes": 5000,
        "name": "digits",
        "digest": "ab" * 32,
        "n": 2,
        "previous": 1,
        "golden": {"vectors": 4},
        "trial": False,
        "signed": False,
    }
    assert failed["error"] == {"message": GONE.message, "hint": "Is it up?", "exit_code": 4}
    assert (waiting["state"], waiting["digest"]) == ("not begun", None)
    assert [item["state"] for item in document["devices"]] == ["deployed", "unchanged", "failed", "not begun"]
    json.dumps(document)
    lines = text.splitlines()
    assert lines[2].split() == ["a", "deployed", "digits", "abababababab", "2", "4.9", "KiB", "1.2", "s"]
    assert lines[-2] == "b: ssh://b refused the connection. Is it up?"
    assert lines[-1] == "2 of 4 devices serve what was deployed; 1 failed, 1 not begun."


def test_releases_and_rollback_of_many() -> None:
    releases = [
        Release(1, "aa" * 32, "one", "confirmed", False, True),
        Release(2, "bb" * 32, "two", "trial", True, False),
    ]
    rows = [Row(A, DONE, releases), Row(B, FAILED, error=GONE), Row(C, DONE, [])]
    document, text = tell_fleet_releases(rows, 4)
    assert [len(item["releases"]) for item in document["devices"]] == [2, 0, 0]
    assert [line.split()[0] for line in text.splitlines()[2:]] == ["a", "a", "b", "c", "b:"]
    assert "trial" in text and "serves" in text and "none" in text
    back = RolledBack(releases[0], releases[1])
    document, text = tell_fleet_rolled_back([Row(A, DONE, back), Row(B, STOPPED)], 130)
    assert [item["name"] for item in document["devices"]] == ["one", None]
    assert document["devices"][0]["before"]["name"] == "two" and "2 (two)" in text
    assert text.endswith("On 1 of 2 devices the previous release serves again; 1 stopped.")


INVENTORY = [
    Line(A, True, Seen(A.address, "2026-01-02T03:04:05Z", "ab" * 32, "digits", "confirmed")),
    Line(B, False, Seen(B.address, "2026-01-01T00:00:00Z", "", "", "empty"), GONE),
    Line(C, None, None),
    Line(D, True, Seen(D.address, "2026-01-01T00:00:00Z"), DeviceError("busy")),
]


def test_the_inventory() -> None:
    document, text = tell_inventory(INVENTORY)
    assert [(item["reachable"], item["state"], item["last_seen"]) for item in document["devices"]] == [
        (True, "confirmed", "2026-01-02T03:04:05Z"),
        (False, "empty", "2026-01-01T00:00:00Z"),
        (None, "unknown", None),
        (True, "unknown", "2026-01-01T00:00:00Z"),
    ]
    lines = text.splitlines()
    assert lines[2].split() == [
        "a",
        "ssh://a",
        "rpi4",
        "yes",
        "digits",
        "abababababab",
        "confirmed",
        "2026-01-02T03:04:05Z",
    ]
    assert "not asked" in lines[4] and lines[4].endswith("never")
    assert lines[-2:] == ["b: ssh://b refused the connection. Is it up?", "d: busy"]
    assert tell_inventory([]) == ({"devices": []}, "No devices are known here.")


def test_the_inventory_as_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(inventory_csv(INVENTORY))))
    assert list(rows[0]) == ["device", "release digest", "state", "last seen"]
    assert rows[0] == {
        "device": "a",
        "release digest": "ab" * 32,
        "state": "confirmed",
        "last seen": "2026-01-02T03:04:05Z",
    }
    assert [row["state"] for row in rows] == ["confirmed", "empty", "unknown", "unknown"]


def test_trust() -> None:
    key = HostKey("a", "ssh-ed25519", b"blob")
    document, text = tell_trusted([Compared("a", TRUSTED, key), Compared("b", FAILED, error=GONE)], Path("/known"), 4)
    assert document["exit_code"] == 4
    assert [item["state"] for item in document["hosts"]] == ["trusted", "failed"]
    assert key.fingerprint in text and "b: ssh://b refused the connection. Is it up?" in text
    assert text.endswith("1 of 2 hosts are trusted; kept in /known.")
