"""The confirm policy of a bundle, as this agent understands it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from edgeq.agent.errors import Refused
from edgeq.protocol.status import Status
from edgeq.transaction.confirm import ConfirmPolicy


def policy_of(manifest: dict[str, Any]) -> ConfirmPolicy:
    """The manifest's `confirm`, the plain policy where it has none; NEWER for a key that only later agents know."""
    given = manifest.get("confirm", {})
    if not isinstance(given, dict):
        raise Refused(Status.INVALID, "the manifest is damaged: 'confirm' is not a table")
    unknown = sorted(set(given) - {field.name for field in fields(ConfirmPolicy)})
    if unknown:
        raise Refused(Status.NEWER, f"the confirm policy has '{unknown[0]}', which this agent does not know")
    try:
        return ConfirmPolicy.from_json(given)
    except ValueError as error:
        raise Refused(Status.INVALID, f"the confirm policy is damaged: {error}"[:300]) from error
