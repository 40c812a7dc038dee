"""The envelope: what is read, and that nothing else is."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signers import Signer, envelope

from edgeq.agent import dsse

ALICE, BOB = Signer("alice"), Signer("bob")
GOOD = json.loads(envelope(b"payload", ALICE).encode())


def changed(**changes: Any) -> bytes:
    return json.dumps({key: value for key, value in {**GOOD, **changes}.items() if value is not None}).encode()


def test_the_encoding_is_that_of_the_specification() -> None:
    """The worked example of the DSSE protocol."""
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 ", "lengths are those of bytes"


@settings(max_examples=100)
@given(st.text(max_size=20), st.binary(max_size=20), st.text(max_size=20), st.binary(max_size=20))
def test_two_payloads_never_have_one_encoding(kind: str, payload: bytes, other_kind: str, other: bytes) -> None:
    assert (dsse.pae(kind, payload) == dsse.pae(other_kind, other)) == ((kind, payload) == (other_kind, other))


def test_what_was_written_is_read() -> None:
    whole = envelope(b"\x00payload", ALICE, BOB)
    assert dsse.decode(whole.encode()) == whole
    assert dsse.decode(whole.detached().encode()) == dsse.Envelope(whole.payload_type, None, whole.signatures)
    assert b'payload"' not in whole.detached().encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no sound JSON"),
        (b"[]", "is none"),
        (b"\xff{}", "no sound JSON"),
        (b"\xef\xbb\xbf" + changed(), "no sound JSON"),
        (changed().decode().encode("utf-16"), "no sound JSON"),
        (changed(signatures=None), "is none"),
        (changed(payloadType=None), "is none"),
        (changed(more=1), "nothing else"),
        (changed(payloadType=1), "breaks the schema"),
        (changed(signatures={}), "breaks the schema"),
        (changed(payload="cGF5bG9hZB=="), "not canonical"),
        (changed(payload="cGF5bG9hZA"), "no base64"),
        (changed(payload="cGF5bG9hZA==\n"), "no base64"),
        (changed(payload=7), "no base64"),
        (changed(signatures=[{"keyid": ALICE.id}]), "keyid and sig"),
        (changed(signatures=[{**GOOD["signatures"][0], "cert": ""}]), "keyid and sig"),
        (changed(signatures=["x"]), "keyid and sig"),
        (changed(signatures=[{"keyid": ALICE.id, "sig": "AAAA"}]), "has 3 bytes"),
        (changed(signatures=[{**GOOD["signatures"][0], "keyid": ALICE.id.upper()}]), "64 hexadecimal digits"),
        (changed(signatures=[{**GOOD["signatures"][0], "keyid": ALICE.id + "\n"}]), "64 hexadecimal digits"),
        (changed(signatures=[{**GOOD["signatures"][0], "keyid": 5}]), "64 hexadecimal digits"),
        (b'{"payloadType": "a", "payloadType": "b", "signatures": []}', "a key stands twice"),
        (b'{"payloadType": "a", "signatures": 1e5}', "no whole number"),
        (b'{"payloadType": "a", "signatures": NaN}', "no whole number"),
        (b'{"payloadType": "a", "signatures": ' + b"9" * 1_000_000 + b"}", "a number is too long"),
        (b"[" * 1_000_000, "nested too deeply"),
        (b'{"payload":' * 200_000, "nested too deeply"),
        (b" " * (dsse.MOST_BYTES + 1), "are the most"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_not_exactly_an_envelope_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        dsse.decode(data)
    assert len(str(caught.value)) < 400, "a reason goes to the host whole"


def test_ten_thousand_signatures_are_refused_unread() -> None:
    item = {"keyid": ALICE.id, "sig": base64.b64encode(bytes(64)).decode()}
    with pytest.raises(ValueError, match="10000 signatures; 64 are the most"):
        dsse.decode(changed(signatures=[item] * 10_000))


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,payloadTypesignatures0', max_size=60).map(str.encode))
def test_no_bytes_make_it_fail_otherwise(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        dsse.decode(data)
