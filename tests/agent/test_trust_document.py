"""Who must sign: thresholds, roles, revocation, and documents that are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signers import Signer, envelope, trust

from edgeq.agent import dsse, trust_document
from edgeq.agent.trust_document import APPROVER, BUILDER, NewerSchema, check_successor

ALICE, BOB, CAROL, DAVE, EVE = (Signer(name) for name in ("alice", "bob", "carol", "dave", "eve"))
TWO_OF_THREE = trust([ALICE, BOB, CAROL], [DAVE], thresholds=(2, 1))


def signers(document: trust_document.TrustDocument, *who: Signer, kind: str = dsse.MANIFEST_TYPE) -> list[str]:
    return document.signers(dsse.MANIFEST_TYPE, b"manifest", envelope(b"manifest", *who, kind=kind).encode())


def test_what_was_written_is_read() -> None:
    for document in (TWO_OF_THREE, trust([ALICE]), trust([ALICE], revoked=[EVE], version=7)):
        assert trust_document.decode(document.encode()).encode() == document.encode()


def test_every_role_needs_its_threshold() -> None:
    assert signers(TWO_OF_THREE, ALICE, CAROL, DAVE) == sorted([ALICE.id, CAROL.id, DAVE.id])
    assert len(signers(TWO_OF_THREE, ALICE, BOB, CAROL, DAVE)) == 4
    for who, words in [
        ((ALICE, DAVE), "1 of 2 needed signatures of the role builder"),
        ((ALICE, BOB, CAROL), "0 of 1 needed signatures of the role approver"),
        ((DAVE,), "0 of 2"),
        ((), "0 of 2"),
    ]:
        with pytest.raises(ValueError, match=words):
            signers(TWO_OF_THREE, *who)


def test_two_signatures_of_one_key_count_once() -> None:
    with pytest.raises(ValueError, match="1 of 2"):
        signers(TWO_OF_THREE, ALICE, ALICE, DAVE)
    again = envelope(b"manifest", ALICE, ALICE, BOB, DAVE).encode()
    assert len(TWO_OF_THREE.signers(dsse.MANIFEST_TYPE, b"manifest", again)) == 3


def test_a_key_cannot_sign_under_the_name_of_another() -> None:
    whole = envelope(b"manifest", ALICE, ALICE, DAVE)
    (_, first), (_, second), third = whole.signatures
    forged = replace(whole, signatures=((ALICE.id, first), (BOB.id, second), third)).encode()
    with pytest.raises(ValueError, match=r"the signature of key \w+ \(bob\) is wrong"):
        TWO_OF_THREE.signers(dsse.MANIFEST_TYPE, b"manifest", forged)


def test_strangers_do_not_count_and_do_no_harm() -> None:
    assert signers(trust([ALICE]), EVE, ALICE) == [ALICE.id]
    with pytest.raises(ValueError, match=rf"key {EVE.id[:12]} is not known"):
        signers(trust([ALICE]), EVE)


def test_revoked_keys_do_not_count_and_are_named() -> None:
    document = trust([ALICE], revoked=[EVE])
    with pytest.raises(ValueError, match=rf"key {EVE.id[:12]} \(eve\) is revoked"):
        signers(document, EVE)
    assert signers(document, EVE, ALICE) == [ALICE.id]


def test_a_wrong_signature_beside_enough_right_ones_is_refused() -> None:
    whole = envelope(b"manifest", ALICE, BOB, CAROL, DAVE)
    spoiled = (whole.signatures[0][0], bytes(64))
    with pytest.raises(ValueError, match=r"\(alice\) is wrong"):
        TWO_OF_THREE.signers(
            dsse.MANIFEST_TYPE, b"manifest", replace(whole, signatures=(spoiled, *whole.signatures[1:])).encode()
        )


def test_a_signature_of_one_kind_of_document_is_none_of_another() -> None:
    """The type in the envelope is changed as well as the type that is asked for."""
    document = trust([ALICE])
    with pytest.raises(ValueError, match=r"signs 'application/vnd\.edgeq\.trust"):
        signers(document, ALICE, kind=dsse.TRUST_TYPE)
    relabelled = replace(envelope(b"manifest", ALICE, kind=dsse.TRUST_TYPE), payload_type=dsse.MANIFEST_TYPE)
    with pytest.raises(ValueError, match="is wrong"):
        document.signers(dsse.MANIFEST_TYPE, b"manifest", relabelled.encode())


def test_an_envelope_of_another_payload_is_refused() -> None:
    document = trust([ALICE])
    with pytest.raises(ValueError, match="signs something else"):
        document.signers(dsse.MANIFEST_TYPE, b"other", envelope(b"manifest", ALICE).encode())
    with pytest.raises(ValueError, match="is wrong"):
        document.signers(dsse.MANIFEST_TYPE, b"other", envelope(b"manifest", ALICE, whole=False).encode())


def test_a_signature_without_the_encoding_is_refused() -> None:
    """Plain ed25519 over the payload is not DSSE."""
    bare = dsse.Envelope(dsse.MANIFEST_TYPE, None, ((ALICE.id, ALICE.sign(b"manifest")),)).encode()
    with pytest.raises(ValueError, match="is wrong"):
        trust([ALICE]).signers(dsse.MANIFEST_TYPE, b"manifest", bare)


GOOD = json.loads(TWO_OF_THREE.encode())
ONE = {"keys": [ALICE.id], "threshold": 1}


def canonical(document: Any) -> bytes:
    return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "edgeq-bundle"}, "no trust document"),
        ({"schema": True}, "no trust document"),
        ({"schema": 0}, "must hold kind"),
        ({"more": 1}, "nothing else"),
        ({"version": 0}, "version"),
        ({"version": True}, "version"),
        ({"version": "2"}, "version"),
        ({"version": 10**15 + 1}, "version"),
        ({"roles": []}, "'roles'"),
        ({"roles": {}}, "no role builder"),
        ({"roles": {APPROVER: ONE}}, "no role builder"),
        ({"roles": {**GOOD["roles"], "root": ONE}}, "'root' is not known"),
        ({"roles": {**GOOD["roles"], BUILDER: {**ONE, "x": 1}}}, "keys and threshold"),
        ({"roles": {**GOOD["roles"], BUILDER: {"keys": [ALICE.id] * 2, "threshold": 2}}}, "each once"),
        ({"roles": {**GOOD["roles"], BUILDER: {"keys": [ALICE.id, DAVE.id], "threshold": 1}}}, "has two roles"),
        ({"roles": {**GOOD["roles"], BUILDER: {"keys": [EVE.id], "threshold": 1}}}, "public part of key .* is missing"),
        ({"roles": {**GOOD["roles"], BUILDER: ONE}}, "has no role"),
        ({"roles": {**GOOD["roles"], BUILDER: {**GOOD["roles"][BUILDER], "threshold": 4}}}, "needs 4 .* has 3 keys"),
        ({"roles": {**GOOD["roles"], BUILDER: {**GOOD["roles"][BUILDER], "threshold": 0}}}, "needs 0"),
        ({"roles": {**GOOD["roles"], BUILDER: {"keys": [], "threshold": 0}}}, r"needs 0|has no role"),
        ({"revoked": [ALICE.id]}, r"\(alice\) is revoked and cannot have a role"),
        ({"revoked": ["x"]}, "key ids, each once"),
        ({"revoked": ["0" * 64] * 300}, "at most 256"),
        ({"keys": {**GOOD["keys"], EVE.id: GOOD["keys"][ALICE.id]}}, "not named by the SHA-256"),
        ({"keys": {**GOOD["keys"], ALICE.id: {"public": ALICE.public.hex()}}}, "public and comment"),
        ({"keys": {**GOOD["keys"], ALICE.id: {"public": ALICE.public.hex(), "comment": "a\nb"}}}, "one line"),
        ({"keys": {**GOOD["keys"], ALICE.id: {"public": ALICE.public.hex(), "comment": "x" * 101}}}, "one line"),
    ],
)
def test_a_document_that_breaks_a_rule_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        trust_document.decode(canonical({**GOOD, **changes}))


def test_a_key_of_small_order_is_refused() -> None:
    weak = bytes([1]) + bytes(31)
    name = trust_document.key_id(weak)
    document = {**GOOD, "keys": {name: {"public": weak.hex(), "comment": ""}}}
    document["roles"] = {BUILDER: {"keys": [name], "threshold": 1}}
    with pytest.raises(ValueError, match="no sound ed25519 key"):
        trust_document.decode(canonical(document))


def test_a_newer_schema_is_told_as_such() -> None:
    with pytest.raises(NewerSchema, match="schema 2; known is 1"):
        trust_document.decode(canonical({**GOOD, "schema": 2, "more": {}}))


def test_only_the_canonical_form_is_read() -> None:
    for data in (json.dumps(GOOD).encode(), canonical(GOOD) + b"\n", canonical(GOOD)[:-1]):
        with pytest.raises(ValueError, match="canonical"):
            trust_document.decode(data)


def test_a_successor_is_newer_and_forgets_no_revocation() -> None:
    old = trust([ALICE], revoked=[EVE], version=3)
    check_successor(old, trust([BOB], revoked=[EVE, ALICE], version=4))
    check_successor(old, trust([BOB], revoked=[EVE], version=9))
    for new, words in [
        (trust([ALICE], revoked=[EVE], version=3), "version 3 does not follow version 3"),
        (trust([ALICE], revoked=[EVE], version=2), "does not follow"),
        (trust([ALICE, EVE], version=4), r"\(eve\) is revoked for good"),
    ]:
        with pytest.raises(ValueError, match=words):
            check_successor(old, new)


def test_the_largest_document_and_its_signatures_fit_into_one_message() -> None:
    keys = [Signer(f"key {number}") for number in range(trust_document.MOST_KEYS)]
    gone = [trust_document.key_id(bytes([number] * 32)) for number in range(trust_document.MOST_REVOKED)]
    full = replace(trust(keys), revoked=tuple(gone))
    data = full.encode()
    full = trust_document.decode(data)
    assert len(data) + len(envelope(data, *keys, kind=dsse.TRUST_TYPE, whole=False).encode()) < 0xFFFF - 256


CROWD = [Signer(f"member {number}") for number in range(6)]


@settings(max_examples=60)
@given(
    st.integers(1, 4),
    st.integers(0, 2),
    st.tuples(st.integers(1, 4), st.integers(1, 2)),
    st.lists(st.sampled_from(range(7)), max_size=8),
    st.booleans(),
)
def test_the_verdict_is_that_of_counting(
    builders: int, approvers: int, thresholds: tuple[int, int], signing: list[int], revoked: bool
) -> None:
    """Against the rule in one line: in every role at least its threshold of different keys."""
    roles = CROWD[:builders], CROWD[4 : 4 + approvers]
    document = trust(*roles, thresholds=thresholds, revoked=[EVE] if revoked else [])
    who = [[*CROWD, EVE][index] for index in signing]
    enough = [
        len({each.id for each in who if each in role}) >= need for role, need in zip(roles, thresholds, strict=True)
    ]
    wanted = enough[0] and (enough[1] or not approvers)
    try:
        found = signers(document, *who)
    except ValueError:
        assert not wanted
    else:
        assert wanted
        assert found == sorted({each.id for each in who if each in (*roles[0], *roles[1])})


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([ALICE.id, "builder", "public"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.data())
def test_no_document_makes_it_fail_otherwise(data: st.DataObject) -> None:
    """Some part of a good document is replaced by anything."""
    document = json.loads(TWO_OF_THREE.encode())
    place: Any = document
    while isinstance(place, (dict, list)) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or data.draw(st.booleans()):
            place[key] = data.draw(ANY)
            break
        place = place[key]
    written = (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()
    try:
        assert trust_document.decode(written).encode() == written
    except ValueError as error:
        assert str(error)
