"""Every error a user can meet, and the exit code each one ends with.

::

    EdgeqError(message, hint)         exit 1
    ├ UsageError                      exit 2   bad argument, missing file, missing extra
    │ └ TargetError                   exit 2   a target profile: file, key, what was expected
    ├ ConvertError                    exit 3   names the tensor or op
    ├ FitError(findings)              exit 3   the model does not fit the target
    ├ LinkError                       exit 4   connect, timeout, disconnected
    ├ ProtocolError                   exit 4   a frame or message that breaks the protocol
    ├ DeviceError(status)             exit 5   the device answered no
    ├ ArtifactError                   exit 6   digest, signature, newer schema
    └ GateFailed                      exit 1   a comparison or a deployment gate said no
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class EdgeqError(Exception):
    """One clear sentence, and a hint that says what to do next."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts: dict[str, Any] = {}
        """What `--json` says of it beside these two."""


class UsageError(EdgeqError):
    """What was asked for cannot be done as it was asked."""

    exit_code = 2


class TargetError(UsageError):
    """A target profile is unknown or breaks a rule of the schema."""


class ConvertError(EdgeqError):
    """The model could not be converted, or the result is not what was promised."""

    exit_code = 3


class FitError(EdgeqError):
    """The model does not fit the target; `findings` says why."""

    exit_code = 3

    def __init__(self, message: str, hint: str = "", findings: Sequence[Any] = ()) -> None:
        super().__init__(message, hint)
        self.findings = tuple(findings)


class LinkError(EdgeqError):
    """Bytes could not be exchanged with the device."""

    exit_code = 4


class LinkTimeout(LinkError):
    """A deadline passed while waiting for bytes."""


class ProtocolError(EdgeqError):
    """The other side sent something that breaks the protocol."""

    exit_code = 4


class DeviceError(EdgeqError):
    """The device answered no; `status` is a number of `edgeq.protocol.status.Status`."""

    exit_code = 5

    def __init__(self, message: str, hint: str = "", status: int = 1) -> None:
        super().__init__(message, hint)
        self.status = status


class ArtifactError(EdgeqError):
    """A file is not what its digest, signature or schema version says."""

    exit_code = 6


class GateFailed(EdgeqError):
    """A gate looked at a correct measurement and said no."""

    exit_code = 1
