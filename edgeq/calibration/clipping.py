"""Audio that was recorded too loud."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeq.calibration.evidence import Evidence, told
from edgeq.finding import Finding

CLIP = 0.001
"""A clip is clipped where more than this share of it stands at full scale; short peaks do not."""
LIMIT = 0.1
"""Share of the clips before it is worth a warning: real recordings have some."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Needs audio of int16."""
    facts = evidence.calibration
    clipped = np.flatnonzero(np.nan_to_num(facts.clipped) > CLIP)
    if not len(clipped):
        return
    share = len(clipped) / len(facts)
    yield Finding(
        "clipping",
        "warning" if share > LIMIT else "info",
        f"{len(clipped)} of {len(facts)} clips of '{facts.spec}' ({share:.1%}) are clipped: "
        f"{told([facts.names[place] for place in clipped])}.",
        "Record them with less gain, if the device's microphone does not clip as well.",
        share,
        LIMIT,
    )
