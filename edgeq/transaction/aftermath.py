"""After an error: what serves on the device now, asked again, for an answer may be lost after the device has acted."""

from __future__ import annotations

from dataclasses import asdict

from edgeq.errors import EdgeqError, LinkError, ProtocolError
from edgeq.transaction.releases import Device, Release


def tell_serving(error: EdgeqError, device: Device, before: Release | None, lead: str = "") -> None:
    """Add to the error what serves: to its message, with `lead` before it, and to its facts as `serving`, which is left
    out where it is not known. `before` is what served when the command began."""
    because = error.message.rstrip(".")
    error.message = f"{because}. {_sentence(f'{lead}{_words(error, device, before)}')}"
    error.args = (error.message, error.hint)


def _words(error: EdgeqError, device: Device, before: Release | None) -> str:
    try:
        if isinstance(error, (LinkError, ProtocolError)):
            raise error
        serving = device.installed().serving
    except EdgeqError:
        return f"what serves on {device.address} now is not known: {device.shows} tells"
    error.facts["serving"] = asdict(serving) if serving else None
    still = "still " if serving and before and serving.n == before.n else ""
    return f"{serving} {still}serves" if serving else "no release serves there"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
