"""What `eq_trust_check` takes: the right signatures of the right keys over these very 96 bytes, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from cdrive import Ask
from mcu import make_image
from signers import Signer

from edgeq.agent import dsse
from edgeq.signing import image as signing

OK, INVALID, SIGNATURE = 0, -2, -6
BUILDER, APPROVER = 0, 1
ONE, TWO, THREE, STRANGER = Signer("builder"), Signer("approver"), Signer("other builder"), Signer("stranger")
IMAGE = make_image(target="host")
BITS = 8 * 256

Keys = Sequence[tuple[Signer, int]]
MINE: Keys = ((ONE, BUILDER),)
BOTH: Keys = ((ONE, BUILDER), (TWO, APPROVER))


def keys(listed: Keys, thresholds: tuple[int, int], count: int | None = None) -> bytes:
    """`struct eq_trust` as the driver reads it."""
    ones = b"".join(bytes.fromhex(key.id)[:8] + key.public + bytes([role]) for key, role in listed)
    return bytes([*thresholds, len(listed) if count is None else count]) + ones


def signed(*signers: Signer, image: bytes = IMAGE) -> bytes:
    """The image's envelope."""
    for signer in signers:
        image = signing.attach(image, signer.id, signer.sign(signing.message(image)))
    return image[:256]


def placed(*signatures: bytes, count: int | None = None) -> bytes:
    """An envelope with whatever stands in the place of the signature."""
    head = b"EQS1" + (len(signatures) if count is None else count).to_bytes(4, "little") + bytes(8)
    return IMAGE[:96] + (head + b"".join(signatures)).ljust(160, b"\0")[:160]


def by(signer: Signer, message: bytes | None = None) -> bytes:
    """One signature with its key's id."""
    return bytes.fromhex(signer.id)[:8] + signer.sign(signing.message(IMAGE) if message is None else message)


def test_the_message_is_that_of_dsse() -> None:
    """As another implementation writes it."""
    from securesystemslib.dsse import Envelope

    assert signing.message(IMAGE) == Envelope(IMAGE[:96], "application/vnd.edgeq.image", {}).pae()
    assert signing.message(IMAGE) == b"DSSEv1 27 application/vnd.edgeq.image 96 " + IMAGE[:96]


@pytest.mark.parametrize(
    "listed, thresholds, signers, status",
    [
        (MINE, (1, 0), [ONE], OK),
        (MINE, (1, 0), [], SIGNATURE),
        (MINE, (1, 0), [STRANGER], SIGNATURE),
        (MINE, (1, 0), [STRANGER, ONE], OK),
        (MINE, (1, 0), [ONE, TWO], OK),
        (BOTH, (1, 1), [ONE, TWO], OK),
        (BOTH, (1, 1), [TWO, ONE], OK),
        (BOTH, (1, 1), [ONE], SIGNATURE),
        (BOTH, (1, 1), [TWO], SIGNATURE),
        (BOTH, (1, 1), [ONE, STRANGER], SIGNATURE),
        (BOTH, (1, 0), [TWO], SIGNATURE),
        (BOTH, (0, 1), [TWO], OK),
        (((ONE, BUILDER), (THREE, BUILDER)), (1, 0), [THREE], OK),
        (((ONE, BUILDER), (THREE, BUILDER)), (2, 0), [THREE], SIGNATURE),
        (((ONE, BUILDER), (THREE, BUILDER)), (2, 0), [THREE, ONE], OK),
        (((ONE, BUILDER), (THREE, BUILDER), (TWO, APPROVER)), (1, 1), [THREE, ONE], SIGNATURE),
    ],
)
def test_enough_keys_of_every_role_must_sign(
    drive: Ask, listed: Keys, thresholds: tuple[int, int], signers: list[Signer], status: int
) -> None:
    assert drive("trust", keys(listed, thresholds) + signed(*signers))[0] == status


def test_every_flipped_bit_is_refused(drive: Ask) -> None:
    """Of the record and of the place of the signature, with one signature and with two."""
    for listed, thresholds, signers in ((MINE, (1, 0), [ONE]), (BOTH, (1, 1), [ONE, TWO])):
        head, envelope = keys(listed, thresholds), signed(*signers)
        assert drive("trust", head + envelope)[0] == OK
        for bit in range(BITS):
            spoilt = bytearray(envelope)
            spoilt[bit // 8] ^= 1 << bit % 8
            assert drive("trust", head + bytes(spoilt))[0] == SIGNATURE, bit


def test_a_key_counts_once(drive: Ask) -> None:
    listed: Keys = ((ONE, BUILDER), (THREE, BUILDER))
    assert drive("trust", keys(listed, (2, 0)) + placed(by(ONE), by(ONE)))[0] == SIGNATURE
    assert drive("trust", keys(listed, (1, 0)) + placed(by(ONE), by(ONE)))[0] == OK


def test_a_wrong_signature_that_names_a_known_key_spoils_all(drive: Ask) -> None:
    wrong = by(TWO, b"another message")
    assert drive("trust", keys(BOTH, (1, 0)) + placed(by(ONE), wrong))[0] == SIGNATURE
    assert drive("trust", keys(MINE, (1, 0)) + placed(by(ONE), wrong))[0] == OK  # nobody's key here


def test_a_signature_of_something_else_is_none(drive: Ask) -> None:
    """Of the bare record, of another type, of a manifest: each made with the right key."""
    record = IMAGE[:96]
    for message in (record, dsse.pae(dsse.MANIFEST_TYPE, record), dsse.pae(dsse.TRUST_TYPE, record), IMAGE):
        assert drive("trust", keys(MINE, (1, 0)) + placed(by(ONE, message)))[0] == SIGNATURE


def test_a_key_under_the_id_of_another(drive: Ask) -> None:
    mixed = bytes.fromhex(ONE.id)[:8] + STRANGER.sign(signing.message(IMAGE))
    assert drive("trust", keys(MINE, (1, 0)) + placed(mixed))[0] == SIGNATURE


@pytest.mark.parametrize("count", [0, 2, 3, 255, 2**31, 2**32 - 1])
def test_a_count_that_is_not_so(drive: Ask, count: int) -> None:
    wanted = OK if count == 2 else SIGNATURE  # an empty second one is by nobody
    assert drive("trust", keys(MINE, (1, 0)) + placed(by(ONE), count=count))[0] == wanted


def test_what_is_not_used_is_zero(drive: Ask) -> None:
    for at in (104, 111, 184, 192, 255):
        envelope = bytearray(placed(by(ONE)))
        envelope[at] = 1
        assert drive("trust", keys(MINE, (1, 0)) + bytes(envelope))[0] == SIGNATURE


def test_keys_that_ask_for_nothing_or_for_what_cannot_be_are_no_configuration(drive: Ask) -> None:
    envelope = signed(ONE, TWO)
    for head in (
        keys(BOTH, (0, 0)),
        keys((), (0, 0)),
        keys((), (1, 0)),
        keys(MINE, (2, 0)),
        keys(MINE, (0, 1)),
        keys(BOTH, (1, 1), count=1),
        keys(((ONE, BUILDER), (THREE, BUILDER), (TWO, APPROVER)), (2, 1)),
        keys(((ONE, 2),), (0, 0)),
        keys([(ONE, BUILDER)] * 4, (1, 0), count=5),
    ):
        assert drive("trust", head + envelope)[0] == INVALID
