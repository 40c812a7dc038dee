"""The loop ends by the clock, and keeps its best."""

from __future__ import annotations

import json

import pytest
from finetune_cases import made

from edgeq.finetune.settings import Settings
from edgeq.finetune.train import WARM, schedule


def test_the_minutes_end_it_wherever_it_is_and_the_best_state_is_kept() -> None:
    told = json.loads((made() / "minutes.json").read_text())
    settings = Settings.from_json(told["settings"])
    history = told["history"]
    assert told["ended"] == "minutes" and 1 < len(history) < settings.epochs
    assert settings.minutes * 60 <= history[-1]["seconds"] < settings.minutes * 60 + 20
    losses = [each["held_loss"] for each in history]
    assert losses[told["best"]] == min(losses)
    assert told["kept_loss"] == pytest.approx(min(losses), rel=1e-3)
    # The cosine ends with the time, not with the epochs: at least what was over before the last epoch counts.
    over = history[-2]["seconds"] / (settings.minutes * 60)
    assert history[-1]["rate"] <= 1.001 * settings.rate * schedule(max(over, WARM))
