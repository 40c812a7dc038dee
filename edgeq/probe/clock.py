"""Is the device's clock one to measure by? Its readings are held against the host's clock, within the link's delay."""

from __future__ import annotations

from itertools import pairwise

from edgeq.run import Run

RATE = 0.02
"""A crystal is within 0.01 %, a microcontroller's RC oscillator within 1 to 2 %."""
SHORTEST_S = 0.2
"""Below that the link's delay says more than the clock's rate."""


def frozen(run: Run) -> str:
    """One sentence where the clock does not advance at all, else nothing."""
    spans = _spans(run)
    if spans is None or spans[1] <= max(SHORTEST_S, 2 * spans[2]) or spans[0] != 0:
        return ""
    return f"The device's clock stood still for {spans[1]:.1f} s of the host's."


def backwards(run: Run) -> str:
    """One sentence where a later reading, or the start of a later sample, is earlier, else nothing."""
    clock, invoke = run.one("clock"), run.one("invoke")
    for values, what in ((clock.values if clock else (), "clock"), (invoke.t_s if invoke else (), "samples' times")):
        steps = sum(later < earlier for earlier, later in pairwise(values))
        if steps:
            return f"The device's {what} went backwards {steps} times."
    return ""


def off_rate(run: Run) -> str:
    """One sentence where the clock's rate is not the host's, else nothing."""
    spans = _spans(run)
    if spans is None or spans[1] < SHORTEST_S or spans[0] <= 0:
        return ""
    device_s, host_s, slack_s = spans
    off = device_s / host_s - 1
    if abs(off) <= RATE + 2 * slack_s / host_s:
        return ""
    return f"The device's clock runs {abs(off) * 100:.1f} % {'fast' if off > 0 else 'slow'} against the host's."


def too_fast(run: Run) -> str:
    """One sentence where the device says that it measured for longer than the host waited for it, else nothing.

    It needs no reading of the clock, so it holds for firmware that tells none."""
    host_s = run.environment.get("host_s")
    if not isinstance(host_s, (int, float)) or host_s < SHORTEST_S:
        return ""
    timed = ("init", "first_inference", "warmup", "invoke")
    device_s = sum(sum(series.values) for series in run.series if series.name in timed and series.unit == "ns") / 1e9
    if device_s <= host_s * (1 + RATE):
        return ""
    return f"The device measured {device_s:.2f} s, while {host_s:.2f} s passed on the host: its clock runs fast."


def _spans(run: Run) -> tuple[float, float, float] | None:
    """What passed on the device, on the host, and how far the two may be apart, in seconds."""
    clock = run.one("clock")
    if clock is None or len(clock.values) < 2:
        return None
    slack = run.environment.get("link_s")
    slack_s = float(slack) if isinstance(slack, (int, float)) else 0.0
    return (clock.values[-1] - clock.values[0]) / 1e9, clock.t_s[-1] - clock.t_s[0], slack_s
