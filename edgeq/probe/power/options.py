"""What stands behind a meter's address: `WHERE?option=value&...`, each option a known one."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from edgeq.errors import UsageError


@dataclass(frozen=True)
class Options:
    """`where` is what stands before the question mark."""

    name: str
    where: str
    given: dict[str, str]

    def number(self, key: str, default: float | None = None) -> float | None:
        """The option as a finite number, or `default` where it is not given."""
        text = self.given.get(key)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = math.nan
        if value is not None and not math.isfinite(value):
            raise UsageError(f"'{key}={text}' in '{self.name}' is not a number.", f"Give '{key}' as a plain number.")
        return value

    def whole(self, key: str, least: int, most: int) -> int | None:
        """The option as a whole number from `least` to `most`."""
        value = self.number(key)
        if value is not None and (not value.is_integer() or not least <= value <= most):
            raise UsageError(
                f"'{key}={value:g}' in '{self.name}' is out of range.", f"Give a whole number from {least} to {most}."
            )
        return None if value is None else int(value)

    def error_pct(self) -> float | None:
        """`error_pct`, the limit of the meter's error by the user's own calibration; none where it is not given."""
        value = self.number("error_pct")
        if value is not None and not 0 < value <= 100:
            raise UsageError(
                f"'error_pct={value:g}' in '{self.name}' is no limit of error.", "Give percent above 0, such as 1.5."
            )
        return value

    def choice(self, key: str, among: Sequence[str], default: str) -> str:
        """The option as one of a few words."""
        value = self.given.get(key, default)
        if value not in (*among, default):
            raise UsageError(f"'{key}={value}' in '{self.name}' is not known.", f"Choose one of {', '.join(among)}.")
        return value


def read_options(scheme: str, rest: str, known: Sequence[str]) -> Options:
    """`rest` of an address; an unknown option is refused with near names."""
    where, _, query = rest.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    given = dict(pairs)
    for key in given:
        if sum(key == name for name, _ in pairs) > 1:
            raise UsageError(f"'{key}' is given twice in '{scheme}:{rest}'.", "Give it once.")
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known options are {', '.join(known)}."
            raise UsageError(f"The probe '{scheme}:' has no option '{key}'.", hint)
    return Options(f"{scheme}:{rest}", where, given)
