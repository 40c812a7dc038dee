"""Watching a trial: how it ends, what is told meanwhile, links that break, somebody's word."""

from __future__ import annotations

import pytest
from recorded import Recorded, job, no, releases

from edgeq.device.device import Watched
from edgeq.errors import DeviceError, GateFailed, LinkError
from edgeq.protocol import contract
from edgeq.protocol.status import Status
from edgeq.transaction import trial
from edgeq.transaction.confirm import ConfirmPolicy
from edgeq.transaction.releases import CONFIRMED, TRIAL

ON = releases("confirmed", "trial", trial=2, good=0, bad=0, starts=1, left_s=2.0, waits="for another 2 s")
GOOD = releases("confirmed", "confirmed")
BAD = releases("confirmed", "bad", why="the health command ended with 1")
POLICY = ConfirmPolicy(window_s=2.0)
BROKEN = LinkError("the cable was pulled.", "Put it back.")


class Heard(list[tuple[str, Watched | None]]):
    """What was told."""

    def __call__(self, text: str, watched: Watched | None) -> None:
        self.append((text, watched))


def test_it_lasts_until_the_device_has_confirmed() -> None:
    more = releases("confirmed", "trial", trial=2, good=3, bad=0, starts=1, left_s=1.0)
    recorded, heard = Recorded({contract.RELEASES: [ON, ON, more, GOOD]}), Heard()
    assert trial.watch(recorded.device(), 2, POLICY, heard) == CONFIRMED
    assert len(recorded.asked) == 4
    assert [text for text, _ in heard] == [
        "on trial, waits for another 2 s: 0 good and 0 bad inferences",
        "on trial: 3 good and 0 bad inferences",
    ]
    assert heard[-1][1] == Watched(3, 0, 1, 1.0)


def test_a_device_that_went_back_says_why() -> None:
    device = Recorded({contract.RELEASES: [ON, BAD]}).device()
    with pytest.raises(
        GateFailed, match=r"went back from release 2 \(m2, 020202020202\): the health command"
    ) as failed:
        trial.watch(device, 2, POLICY, Heard())
    assert failed.value.exit_code == 1


def test_a_release_that_is_gone_is_told() -> None:
    with pytest.raises(DeviceError, match="no release 2 any more"):
        trial.watch(Recorded({contract.RELEASES: [releases("confirmed")]}).device(), 2, POLICY, Heard())


def test_where_time_changes_nothing_any_more_it_says_how_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TOLD_S", 0.0)
    idle = releases("confirmed", "trial", trial=2, good=0, bad=0, starts=1, left_s=0.0, waits="for 2 good inferences")
    heard = Heard()
    recorded = Recorded({contract.RELEASES: [ON, ON, idle, idle, GOOD]})
    assert trial.watch(recorded.device(), 2, ConfirmPolicy(window_s=2.0, good=2), heard) == CONFIRMED
    assert ["--no-wait leaves" in text for text, _ in heard] == [False, False, True, True]


@pytest.mark.parametrize("words", [{}, {"waits": "to be confirmed"}])
def test_a_trial_that_waits_for_a_word_is_not_watched_for_ever(words: dict[str, str]) -> None:
    over = releases("confirmed", "trial", trial=2, good=0, bad=0, starts=1, left_s=0.0, **words)
    recorded = Recorded({contract.RELEASES: [ON, over]})
    assert trial.watch(recorded.device(), 2, ConfirmPolicy(window_s=2.0, manual=True), Heard()) == TRIAL
    assert len(recorded.asked) == 2


def test_a_link_that_breaks_is_opened_again() -> None:
    first = Recorded({contract.RELEASES: [ON, BROKEN]})
    second = Recorded({contract.RELEASES: [ON, GOOD]})
    tries = [LinkError("not yet.", ""), second.open()]

    def reopen() -> object:
        found = tries.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    heard = Heard()
    device = first.device(reopen)  # type: ignore[arg-type]
    before = device.client.sent_bytes
    assert trial.watch(device, 2, POLICY, heard) == CONFIRMED
    assert any("the link broke" in text for text, _ in heard)
    assert tries == [] and device.client.sent_bytes > before


def test_a_link_that_does_not_come_back_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "RECONNECT_S", 0.2)

    def reopen() -> object:
        raise LinkError("no route.", "")

    device = Recorded({contract.RELEASES: [BROKEN]}).device(reopen)  # type: ignore[arg-type]
    with pytest.raises(LinkError, match=r"cannot be opened again: no route") as gone:
        trial.watch(device, 2, ConfirmPolicy(good=1), Heard())
    assert "by itself; 'edgeq releases memory:' shows it" in gone.value.hint


def test_without_a_way_to_open_it_again_the_error_is_the_link_s() -> None:
    with pytest.raises(LinkError, match="the cable was pulled"):
        trial.watch(Recorded({contract.RELEASES: [BROKEN]}).device(), 2, POLICY, Heard())


def test_somebody_s_word_ends_it() -> None:
    recorded = Recorded({contract.RELEASES: [ON, GOOD], contract.CONFIRM: [{}]})
    assert trial.confirm(recorded.device()).state == CONFIRMED
    assert (contract.CONFIRM, {"n": 2}) in recorded.asked


def test_somebody_s_no_goes_back() -> None:
    recorded = Recorded({contract.RELEASES: [ON, BAD], contract.ROLLBACK: [{"job": 1}], **job(n=1)})
    rejected, serving = trial.reject(recorded.device())
    assert (rejected.n, rejected.state) == (2, "bad")
    assert serving is not None and serving.n == 1


def test_a_word_about_nothing_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"On memory: no release is on trial: release 2 .* serves, and is confirmed"):
        trial.confirm(Recorded({contract.RELEASES: [GOOD]}).device())
    with pytest.raises(DeviceError, match="none serves"):
        trial.confirm(Recorded({contract.RELEASES: [releases()]}).device())


def test_a_word_that_is_refused_says_what_serves() -> None:
    refused = no(Status.STATE, "release 2 waits for 3 good inferences")
    device = Recorded({contract.RELEASES: [ON], contract.CONFIRM: [refused]}).device()
    with pytest.raises(DeviceError, match=r"3 good inferences\. Release 2 \(m2, 020202020202\) still serves\."):
        trial.confirm(device)
