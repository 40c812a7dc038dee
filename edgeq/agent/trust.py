"""The keys that this device was given, and whether a release is signed as they ask; `ROOT/trust.json` holds them.

Without keys every release is taken. Once there are any, they can only be replaced by a document that they signed. A
file that is there and cannot be read, for whatever reason, refuses everything new: it never counts as "no keys".
"""

from __future__ import annotations

import os
from pathlib import Path

from edgeq.agent import dsse, trust_document
from edgeq.agent.errors import Refused
from edgeq.agent.files import refusal, replace_json
from edgeq.agent.trust_document import TrustDocument
from edgeq.protocol.status import Status

FILE = "trust.json"
SCHEMA = 1
MOST_BYTES = 1 << 20


class Trust:
    """One device's keys. `damaged` says what is wrong with the file, and is empty where nothing is.

    The caller serialises `install`.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / FILE
        self.damaged = ""
        self._data = b""
        self._document: TrustDocument | None = None
        self._load()

    @property
    def required(self) -> bool:
        """Whether releases must be signed here."""
        return bool(self.damaged) or self._document is not None

    @property
    def version(self) -> int:
        """Of the trust document; 0 where there is none."""
        return self._document.version if self._document else 0

    def check(self, manifest: bytes, envelope: bytes | None) -> list[str]:
        """The ids of the keys that signed this manifest; SIGNATURE says why it is not signed as this device asks."""
        self._refuse_damaged()
        if self._document is None:
            return []
        if envelope is None:
            raise Refused(Status.SIGNATURE, "the release is not signed, and this device takes only signed ones")
        try:
            return self._document.signers(dsse.MANIFEST_TYPE, bytes(manifest), bytes(envelope))
        except ValueError as error:
            raise Refused(Status.SIGNATURE, f"the release is not signed as this device asks: {error}") from error

    def install(self, document: bytes, envelope: bytes) -> int:
        """Take the first keys, or the successor of those that are here; the answer is its version, once it is durable.

        The document must be signed by its own keys and, where there were any before, by those, each time by the
        threshold of every role. The very document that is here already is taken again.
        """
        self._refuse_damaged()
        document, envelope = bytes(document), bytes(envelope)
        known = self._document is not None and document == self._data
        new = _judged(document, envelope, None if known else self._document)
        try:
            # Written again where it is known too: the last attempt may have failed before it was durable.
            kept = dsse.decode(envelope).detached().encode().decode()
            replace_json(self.path, {"schema": SCHEMA, "document": document.decode(), "envelope": kept})
        except OSError as error:
            self._load()
            failed = refusal(error)
            now = f"damaged: {self.damaged}" if self.damaged else f"at version {self.version}"
            raise Refused(failed.status, f"{failed.reason}; the trust of this device is now {now}") from error
        self._document, self._data = new, document
        return new.version

    def _refuse_damaged(self) -> None:
        if self.damaged:
            raise Refused(
                Status.SIGNATURE,
                f"this device's trust file {self.path} is damaged, so nothing new is taken: {self.damaged}",
            )

    def _load(self) -> None:
        self._document, self._data, self.damaged = None, b"", ""
        try:
            text = _read(self.path)
            if text is None:
                return
            stored = dsse.strict_json(text, MOST_BYTES, "the file")
            if not isinstance(stored, dict) or stored.get("schema") != SCHEMA:
                raise ValueError("it is of another schema")
            data, envelope = stored["document"].encode(), stored["envelope"].encode()
            found = trust_document.decode(data)
            found.signers(dsse.TRUST_TYPE, data, envelope)
        except (OSError, ValueError, KeyError, AttributeError) as error:
            self.damaged = str(error) or repr(error)
        else:
            self._document, self._data = found, data


def _judged(document: bytes, envelope: bytes, old: TrustDocument | None) -> TrustDocument:
    try:
        new = trust_document.decode(document)
    except trust_document.NewerSchema as error:
        raise Refused(Status.NEWER, str(error)) from error
    except ValueError as error:
        raise Refused(Status.INVALID, str(error)) from error
    try:
        if old is not None:
            trust_document.check_successor(old, new)
    except ValueError as error:
        raise Refused(Status.STATE, str(error)) from error
    for name, judge in (("present", old), ("new", new)):
        try:
            if judge is not None:
                judge.signers(dsse.TRUST_TYPE, document, envelope)
        except ValueError as error:
            reason = f"the trust document is not signed as the {name} one asks: {error}"
            raise Refused(Status.SIGNATURE, reason) from error
    return new


def _read(path: Path) -> bytes | None:
    """The file's bytes; None only where there is no such name, not where a link leads nowhere."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MOST_BYTES + 1)
