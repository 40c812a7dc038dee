"""Ed25519 verification (RFC 8032) for devices that have only Python's standard library.

Strict, and without a cofactor: a signature is right where the encoding of [S]B + [k](-A) is, byte for byte, the R it
holds. RFC 8032 allows that rule and the one that multiplies by eight; this one gives the verdicts of OpenSSL and of our
firmware, and a device must not take what the host refuses. It follows that R is canonical. Beyond the RFC a public key
of small order is refused: such a key "signs" any message. All that is handled here is public, so nothing runs in
constant time. A verification takes about a millisecond on a desktop.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

PUBLIC_BYTES, SIGNATURE_BYTES = 32, 64

Point = tuple[int, int, int, int]
"""Extended coordinates: x = X/Z, y = Y/Z, xy = T/Z."""

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_D2 = 2 * _D % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
"""A square root of -1."""
_ZERO: Point = (0, 1, 1, 0)
_WIDTH = 5
"""Bits of a window: eight odd multiples are kept of each point."""


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is that of `message` by the holder of `public` (32 bytes)."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    table = _multiples_of_key(bytes(public))
    scalar = int.from_bytes(signature[32:], "little")
    if table is None or scalar >= _L:
        return False
    challenge = hashlib.sha512(signature[:32] + public + message).digest()
    factor = int.from_bytes(challenge, "little") % _L
    return _encode(_sum_of_products(scalar, _multiples_of_base(), factor, table)) == signature[:32]


def usable(public: bytes) -> bool:
    """Whether these bytes are a public key that may be trusted: a point, canonical, not of small order."""
    return _multiples_of_key(bytes(public)) is not None


@lru_cache(maxsize=64)
def _multiples_of_key(public: bytes) -> list[Point] | None:
    """Of -A, as OpenSSL has it: [L - k]A is not [k](-A) where A has a part of small order."""
    point = _decode(public)
    if point is None or _is_zero(_double(_double(_double(point)))):
        return None
    return _odd_multiples(_negative(point))


@lru_cache(maxsize=1)
def _multiples_of_base() -> list[Point]:
    base = _decode(b"\x58" + b"\x66" * 31)
    assert base is not None
    return _odd_multiples(base)


def _decode(data: bytes) -> Point | None:
    """The point that 32 bytes encode; None where they are not the one encoding of any (RFC 8032, section 5.1.3)."""
    if len(data) != PUBLIC_BYTES:
        return None
    y, sign = int.from_bytes(data, "little") & ((1 << 255) - 1), data[31] >> 7
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P == _P - u and u:
        x = x * _ROOT % _P
    if v * x * x % _P != u or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


def _encode(point: Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, _P - 2, _P)
    return (y * inverse % _P | (x * inverse % _P & 1) << 255).to_bytes(32, "little")


def _is_zero(point: Point) -> bool:
    x, y, z, _ = point
    return x % _P == 0 and (y - z) % _P == 0


def _double(point: Point) -> Point:
    x, y, z, _ = point
    a, b, c = x * x % _P, y * y % _P, 2 * z * z % _P
    h = a + b
    e = h - (x + y) * (x + y) % _P
    g = a - b
    f = c + g
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _add(one: Point, other: Point) -> Point:
    """Complete: right for equal points and for zero too."""
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a, b = (y1 - x1) * (y2 - x2) % _P, (y1 + x1) * (y2 + x2) % _P
    c, d = t1 * t2 % _P * _D2 % _P, 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _negative(point: Point) -> Point:
    x, y, z, t = point
    return (_P - x, y, z, _P - t)


def _odd_multiples(point: Point) -> list[Point]:
    twice, found = _double(point), [point]
    for _ in range((1 << (_WIDTH - 2)) - 1):
        found.append(_add(found[-1], twice))
    return found


def _digits(scalar: int) -> list[int]:
    """Signed odd digits, lowest first, each followed by at least `_WIDTH` - 1 zeros (non-adjacent form)."""
    found = []
    while scalar:
        digit = 0
        if scalar & 1:
            digit = scalar & ((1 << _WIDTH) - 1)
            if digit >> (_WIDTH - 1):
                digit -= 1 << _WIDTH
            scalar -= digit
        found.append(digit)
        scalar >>= 1
    return found


def _sum_of_products(one: int, ones: list[Point], other: int, others: list[Point]) -> Point:
    """[one]A + [other]B from the odd multiples of both points, in one run of doublings."""
    pairs = (_digits(one), ones), (_digits(other), others)
    total = _ZERO
    for place in reversed(range(max(len(digits) for digits, _ in pairs))):
        total = _double(total)
        for digits, multiples in pairs:
            digit = digits[place] if place < len(digits) else 0
            if digit > 0:
                total = _add(total, multiples[digit >> 1])
            elif digit < 0:
                total = _add(total, _negative(multiples[-digit >> 1]))
    return total
