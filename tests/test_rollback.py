"""Rollback: from which to which, and the truth where it fails."""

from __future__ import annotations

import pytest
from recorded import Recorded, job, no, releases

from edgeq.errors import DeviceError, LinkError
from edgeq.protocol import contract
from edgeq.protocol.status import Status
from edgeq.rollback import rollback

TWO = releases("confirmed", "confirmed")
BACK = {**TWO, "current": 1, "previous": 2}


def test_it_says_from_which_to_which() -> None:
    recorded = Recorded({contract.RELEASES: [TWO, BACK], contract.ROLLBACK: [{"job": 1}], **job(n=1)})
    lines: list[str] = []
    done = rollback(recorded.device(), lines.append)
    assert lines == ["from release 2 (m2, 020202020202) to release 1 (m1, 010101010101)"]
    assert (done.now.n, done.now.serving) == (1, True)
    assert done.before is not None and done.before.n == 2


def test_a_trial_goes_back_to_what_was_confirmed() -> None:
    on = releases("confirmed", "confirmed", "trial", trial=3)
    recorded = Recorded({contract.RELEASES: [on, TWO], contract.ROLLBACK: [{"job": 1}], **job(n=2)})
    lines: list[str] = []
    rollback(recorded.device(), lines.append)
    assert "from release 3 (m3, 030303030303) to release 2" in lines[0]


def test_a_refusal_says_what_serves() -> None:
    refused = no(Status.DIGEST, "release 1 is damaged")
    recorded = Recorded({contract.RELEASES: [TWO], contract.ROLLBACK: [refused]})
    with pytest.raises(
        DeviceError, match=r"release 1 is damaged\. Release 2 \(m2, 020202020202\) still serves\."
    ) as no_:
        rollback(recorded.device())
    assert no_.value.facts["serving"]["n"] == 2


def test_where_the_link_is_gone_nothing_is_claimed() -> None:
    broken = LinkError("the cable was pulled.", "Put it back.")
    recorded = Recorded({contract.RELEASES: [TWO], contract.ROLLBACK: [broken]})
    with pytest.raises(
        LinkError, match=r"What serves on memory: now is not known: 'edgeq releases memory:' tells"
    ) as gone:
        rollback(recorded.device())
    assert "serving" not in gone.value.facts
