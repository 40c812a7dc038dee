"""Verify: what is sound, what is damaged, which damage counts; agents and firmware that do not know the request."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundles import make_bundle
from inmemory import connect
from recorded import Recorded, job, no, releases

from edgeq.agent.service import Service
from edgeq.deploy import deploy
from edgeq.errors import DeviceError
from edgeq.protocol import contract
from edgeq.protocol.status import Status
from edgeq.verify import verify

GOLDEN = {"vectors": 4, "worst": 0.0, "tolerance": 1, "runtime": "r 1"}
THREE = releases("confirmed", "confirmed", "confirmed")


def test_what_rotted_is_found(service: Service, tmp_path: Path) -> None:
    with connect(service) as device:
        assert verify(device).releases == ()
        deploy(make_bundle(tmp_path / "a", name="a"), device)
        deploy(make_bundle(tmp_path / "b", name="b"), device)
        found = verify(device)
        assert (found.damaged, found.golden["vectors"]) == ((), 4)
        assert found.releases[-1].sound
        member = service.store.root / "releases" / "2" / "manifest.json"  # files that both have are one file
        member.write_bytes(member.read_bytes()[:-1] + b"\0")
        (damaged,) = verify(device).damaged
        assert (damaged.release.n, damaged.release.serving) == (2, True)
        assert damaged.why


@pytest.mark.parametrize(("n", "counts"), [(1, False), (2, True), (3, True)])
def test_damage_counts_where_the_release_is_needed(n: int, counts: bool) -> None:
    found = [{"n": each, "sound": each != n, **({"why": "bytes differ"} if each == n else {})} for each in (1, 2, 3)]
    recorded = Recorded({contract.RELEASES: [THREE], contract.VERIFY: [{"job": 1}], **job(releases=found, **GOLDEN)})
    answer = verify(recorded.device())
    assert [item.sound for item in answer.releases] == [each != n for each in (1, 2, 3)]
    assert [item.release.n for item in answer.damaged] == ([n] if counts else [])
    assert answer.golden == GOLDEN


def test_an_older_device_tests_what_serves() -> None:
    recorded = Recorded({contract.RELEASES: [THREE], contract.SELFTEST: [{"job": 1}], **job(**GOLDEN)})
    answer = verify(recorded.device())
    assert [item.sound for item in answer.releases] == [None, None, True]
    assert (answer.damaged, answer.golden) == ((), GOLDEN)


def test_an_older_device_s_damage_counts_too() -> None:
    failed = {"state": "failed", "note": "", "samples": [], "status": int(Status.DIGEST), "reason": "bytes differ"}
    answers = {contract.RELEASES: [THREE], contract.SELFTEST: [{"job": 1}], contract.JOB: [failed]}
    (damaged,) = verify(Recorded(answers).device()).damaged
    assert (damaged.release.n, damaged.why) == (3, "memory: says no: bytes differ.")


def test_a_busy_device_is_not_taken_for_a_damaged_one() -> None:
    device = Recorded({contract.RELEASES: [THREE], contract.SELFTEST: [no(Status.BUSY, "a job runs")]}).device()
    with pytest.raises(DeviceError, match="a job runs"):
        verify(device)


def test_who_signed_what_is_told() -> None:
    found = [{"n": 1, "sound": True, "signed": ["ab", "cd"]}, {"n": 2, "sound": True, "signed": []}]
    found.append({"n": 3, "sound": True, "why": "the release is not signed"})
    recorded = Recorded({contract.RELEASES: [THREE], contract.VERIFY: [{"job": 1}], **job(releases=found, **GOLDEN)})
    answer = verify(recorded.device())
    assert [item.signed for item in answer.releases] == [("ab", "cd"), (), None]
    assert (answer.damaged, answer.releases[2].why) == ((), "the release is not signed")
