"""The command `bench --accuracy`: a labelled set through the device, told before the times and kept in the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from bundles import make_bundle, tiny
from commandline import edgeq

from edgeq.cli.accuracy import accuracy_lines
from edgeq.cli.base import console
from edgeq.device.open import open_device
from edgeq.evaluate.predict import Variant, predict
from edgeq.schema import schema


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)

    yield partial(edgeq, capture=capsys, monkeypatch=monkeypatch)
    console.as_lines = False
    with open_device("local:") as device:
        device.reset()


def test_the_run_keeps_what_the_device_reached(run: Any, tmp_path: Path) -> None:
    make_bundle(tmp_path / "build" / "tiny")
    model, interface, _ = tiny()
    real = np.random.default_rng(2).normal(0, 1, (30, 8, 8, 1)).astype(np.float32)
    decided = predict(Variant(model, interface), real).argmax(axis=1)
    decided[:3] = (decided[:3] + 1) % 3
    np.savez(tmp_path / "eval.npz", x=real, y=decided)
    assert run("deploy", tmp_path / "build" / "tiny", "--to", "local:")[0] == 0
    code, out, err = run("bench", "local:", "--runs", 30, "--accuracy", "eval.npz", "--limit", 20, "-o", "run.json")
    assert code == 0, err
    assert "accuracy on the device" in out and "20 of 30 samples of eval.npz" in out
    assert "equal bit by bit: 100" in out and "p50" in out
    written = json.loads((tmp_path / "run.json").read_text())
    jsonschema.validate(written, json.loads(schema("run")))
    found = written["correctness"]
    assert (found["samples"], found["identical"], found["value"]) == (20, 1, found["reference"])
    code, _, err = run("bench", "local:", "--accuracy", "eval.npz", "--threads", "1,2")
    assert code == 2 and "as it serves" in err
    code, _, err = run("bench", "local:", "--limit", 3)
    assert code == 2 and "--accuracy" in err
    code, _, err = run("bench", "local:", "--bundle", tmp_path / "build" / "tiny")
    assert code == 2 and "--profile" in err
    code, _, err = run("bench", "local:", "--runs", 5, "--delegate", "builtin,npu")
    kept = list((tmp_path / "runs").glob("*/run.json"))
    assert code == 5 and len(kept) == 1 and kept[0].parent.name in err
    code, _, err = run("bench", "local:", "--delegate", "xnnpack,")
    assert code == 2 and "no list of delegates" in err
    code, _, err = run("bench", "local:", "--accuracy", "eval.npz", "--bundle", tmp_path)
    assert code != 0 and "bundle" in err


def test_what_differs_is_told_by_name() -> None:
    row = {"sample": "clip.wav", "index": 3, "steps": 4, "device": 1, "host": 2, "label": 2}
    found = {
        **{"title": "accuracy", "unit": "fraction", "value": 0.5, "low": 0.2, "high": 0.8, "confidence": 0.95},
        **{"reference": 1.0, "samples": 10, "of": 10, "data": "x.npz", "identical": 0.4, "allowed_steps": 1},
        **{"parted": 5, "beyond": 6, "differing": [row] * 6},
    }
    lines = accuracy_lines(found)
    assert lines[0].startswith("accuracy on the device 50") and "95% interval" in lines[0]
    assert "another class: 5; apart by more than 1 output step: 6" in lines[1]
    assert lines[2] == "  clip.wav: 4 steps apart: class 1 on the device, 2 here"
    assert len(lines) == 8 and lines[-1] == "  and at least 1 more, the first of them in the run"
