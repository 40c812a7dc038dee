"""The lock of `edgeq.lock`, under the name that emulators use."""

from __future__ import annotations

from edgeq.lock import locked

__all__ = ["locked"]
