"""Trust documents edited: versions grow once they are out, former ones are kept, and it is told who must sign."""

from __future__ import annotations

from pathlib import Path

import pytest
from signers import Signer

from edgeq.agent.trust import Trust
from edgeq.agent.trust_document import APPROVER, BUILDER
from edgeq.errors import ArtifactError, UsageError
from edgeq.signing import trusting
from edgeq.signing.keys import PublicKey
from edgeq.signing.signable import attach, read_signable, read_trust_file, signature_path

ALICE, BOB, CAROL, DAVE = (Signer(name) for name in ("alice", "bob", "carol", "dave"))


def public(signer: Signer, role: str = BUILDER) -> PublicKey:
    return PublicKey(signer.public, signer.name, role)


def sign(path: Path, *signers: Signer) -> None:
    for signer in signers:
        subject = read_signable(path)
        attach(subject, public(signer), signer.sign(subject.message))


def missing(path: Path) -> list[tuple[int, str]]:
    return [(need.version, need.role) for need in trusting.needs(path) if not need.met]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Version 1: one builder and one approver; nobody has signed it."""
    found = tmp_path / "trust.json"
    trusting.create(found, [public(ALICE), public(BOB, APPROVER)], {})
    return found


def test_a_new_document_is_signed_by_its_own_keys(path: Path) -> None:
    assert missing(path) == [(1, BUILDER), (1, APPROVER)]
    sign(path, ALICE)
    assert missing(path) == [(1, APPROVER)]
    sign(path, BOB)
    assert missing(path) == []
    with pytest.raises(UsageError, match="is there already"):
        trusting.create(path, [public(ALICE)], {})


def test_a_draft_stays_what_it_is_and_what_is_out_gets_a_next_version(path: Path) -> None:
    assert trusting.edit(path, trusting.add(public(CAROL), BUILDER)).version == 1
    sign(path, ALICE, BOB)
    first = path.read_bytes(), signature_path(path).read_bytes()
    assert trusting.edit(path, trusting.add(public(CAROL), BUILDER)).version == 1, "nothing changed"
    assert trusting.edit(path, trusting.threshold(BUILDER, 2)).version == 2
    assert trusting.edit(path, trusting.add(public(DAVE, APPROVER), APPROVER)).version == 2
    assert not signature_path(path).exists()
    kept = path.with_name("trust.v1.json")
    assert (kept.read_bytes(), signature_path(kept).read_bytes()) == first
    assert missing(path) == [(1, BUILDER), (1, APPROVER), (2, BUILDER), (2, APPROVER)]
    sign(path, ALICE, DAVE)
    assert missing(path) == [(1, APPROVER), (2, BUILDER)]


def test_an_edit_that_was_interrupted_loses_no_version(path: Path) -> None:
    """The signatures of version 1 are away already, and version 2 was not written."""
    sign(path, ALICE, BOB)
    before = path.read_bytes()
    trusting.edit(path, trusting.add(public(CAROL), BUILDER))
    path.write_bytes(before)
    assert trusting.edit(path, trusting.add(public(CAROL), BUILDER)).version == 2


def test_a_revoked_key_loses_its_role_for_good(path: Path) -> None:
    trusting.edit(path, trusting.add(public(CAROL), BUILDER))
    found = trusting.edit(path, trusting.revoke(ALICE.id))
    assert (found.roles[BUILDER].keys, found.revoked) == ((CAROL.id,), (ALICE.id,))
    assert found.name(ALICE.id) == f"{ALICE.id[:12]} (alice)"
    assert trusting.edit(path, trusting.revoke(ALICE.id)) == read_trust_file(path)[0]
    with pytest.raises(UsageError, match="revoked for good"):
        trusting.edit(path, trusting.add(public(ALICE), BUILDER))


def test_edits_that_would_lock_everybody_out_are_refused(path: Path) -> None:
    before = path.read_bytes()
    for change, words in [
        (trusting.revoke(ALICE.id), "needs 1 signatures and has 0 keys"),
        (trusting.threshold(BUILDER, 2), "needs 2 signatures and has 1 keys"),
        (trusting.add(public(ALICE), APPROVER), "has two roles"),
    ]:
        with pytest.raises(ArtifactError, match=words):
            trusting.edit(path, change)
        assert path.read_bytes() == before
    with pytest.raises(UsageError, match="no role 'root'"):
        trusting.edit(path, trusting.threshold("root", 1))


def test_a_refused_edit_keeps_the_signatures(path: Path) -> None:
    sign(path, ALICE, BOB)
    with pytest.raises(ArtifactError):
        trusting.edit(path, trusting.revoke(ALICE.id))
    assert missing(path) == []


def test_a_key_is_found_by_its_name_or_the_beginning_of_its_id(path: Path) -> None:
    document = read_trust_file(path)[0]
    assert trusting.find_key(document, "alice") == trusting.find_key(document, ALICE.id[:8]) == ALICE.id
    for text in ("", ALICE.id[:7], "carol", CAROL.id):
        assert trusting.find_key(document, text) is None


def test_a_device_that_was_away_is_taken_step_by_step(path: Path, tmp_path: Path) -> None:
    """All keys changed since version 1: version 3 alone is worth nothing to it."""
    sign(path, ALICE, BOB)
    away, fresh = Trust(tmp_path / "away"), Trust(tmp_path / "fresh")
    for device in (away, fresh):
        device.path.parent.mkdir()
    first = read_signable(path)
    away.install(first.payload, first.detached)
    trusting.edit(path, trusting.add(public(CAROL), BUILDER))
    trusting.edit(path, trusting.revoke(ALICE.id))
    sign(path, ALICE, BOB, CAROL)
    trusting.edit(path, trusting.add(public(DAVE), APPROVER))
    trusting.edit(path, trusting.revoke(BOB.id))
    sign(path, CAROL, BOB, DAVE)
    assert missing(path) == []
    sent = [version for version, _ in trusting.steps(path, away.version)]
    assert sent == [2, 3]
    for _, subject in trusting.steps(path, away.version):
        away.install(subject.payload, subject.detached)
    assert [version for version, _ in trusting.steps(path, 0)] == [3]
    for _, subject in trusting.steps(path, 0):
        fresh.install(subject.payload, subject.detached)
    assert away.version == fresh.version == 3


def test_what_is_no_trust_document_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_signable(tmp_path / "none.json")
    (tmp_path / "junk.json").write_text("{}")
    with pytest.raises(ArtifactError, match="no trust document"):
        read_signable(tmp_path / "junk.json")
