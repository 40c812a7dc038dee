"""The verb and the command: a training that helps, its files, its end by time or by Ctrl-C."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from finetune_cases import FOUR, finetuned, float_model, write_samples

from edgeq.cli.telling_finetune import tell_finetuned
from edgeq.errors import UsageError
from edgeq.finetune.finetune import FILES, Finetuned, finetune
from edgeq.finetune.settings import Settings
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.pipeline import quantize
from edgeq.quantize.recipe_file import read_recipe
from edgeq.quantize.verify import check_mode


def _train(folder: Path, settings: Settings = FOUR, data: str = "x.npy", **more: object) -> Finetuned:
    (folder / "plain.tflite").write_bytes(float_model())
    write_samples(folder / data, 240)
    return finetune(folder / "plain.tflite", folder / data, folder / "out", settings=settings, **more)  # type: ignore[arg-type]


def test_four_bits_are_better_after_training_and_integers_throughout() -> None:
    summary = json.loads((finetuned() / "summary.json").read_text())
    figures, recipe = summary["figures"], read_recipe(finetuned() / "recipe.toml")
    assert recipe.mode == "static_wi4_ai8" and summary["best_epoch"] > 0
    assert figures["after"]["sqnr_db"] > figures["before"]["sqnr_db"] + 1
    assert figures["after"]["graph_sqnr_db"] > figures["after"]["sqnr_db"] + 3
    assert figures["after"]["graph_agreement"] > 0.9 and figures["after"]["accuracy"] is None
    model = read_model((finetuned() / "model.tflite").read_bytes())
    check_mode(model, recipe)
    kinds = [tensor.dtype for graph in model.subgraphs for tensor in graph.tensors if tensor.data_bytes]
    assert kinds.count("int4") == 2


def test_the_files_give_the_quantized_model_again() -> None:
    assert sorted(path.name for path in finetuned().iterdir()) == sorted((*FILES, "plain-qat4.tflite"))
    float_model, recipe = (finetuned() / "plain-qat4.tflite").read_bytes(), read_recipe(finetuned() / "recipe.toml")
    assert quantize(float_model, None, recipe) == (finetuned() / "model.tflite").read_bytes()
    history = json.loads((finetuned() / "history.json").read_text())
    assert [each["epoch"] for each in history] == [0, 1, 2, 3, 4] and history[0]["loss"] is None
    assert min(each["held_loss"] for each in history) < history[0]["held_loss"]


def test_the_same_seed_gives_the_same_bytes_to_a_keras_model_and_to_its_tflite(tmp_path: Path) -> None:
    lines: list[str] = []
    again = _train(tmp_path, progress=lines.append)
    assert (again.folder / "model.tflite").read_bytes() == (finetuned() / "model.tflite").read_bytes()
    told = [line for line in lines if line.startswith("epoch ")]
    assert len(told) == 4 and "left" in told[0] and "agrees with float on" in told[0]


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_keeps_the_best_so_far_labels_count_and_the_evaluation_comes_last(tmp_path: Path) -> None:
    (tmp_path / "plain.tflite").write_bytes(float_model())
    write_samples(tmp_path / "x.npz", 40)
    write_samples(tmp_path / "test.npz", 60)
    command = [sys.executable, "-m", "edgeq", "finetune", "plain.tflite", "--json", "-o", "out", "--eval", "test.npz"]
    command += ["--data", "x.npz", "--epochs", "100000", "--batch", "8"]
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip().startswith("epoch 2 "):
                process.send_signal(signal.SIGINT)
                break
        answer, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "stopping: the best so far is kept" in said and "evaluating" in said.strip().splitlines()[-1]
    told = json.loads(answer)
    assert told["ended"] == "stopped" and told["labelled"]
    assert told["figures"]["float"]["accuracy"] == 1 and told["evaluation"]["after"]["samples"] == 60
    words = ["--recipe", "out/recipe.toml", "--target", "rpi4", "--data", "x.npz", "--eval", "test.npz"]
    assert shlex.split(told["build"]) == ["edgeq", "build", "out/plain-qat8.tflite", *words]
    assert (tmp_path / "out" / "model.tflite").stat().st_size > 1000
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    document, text = tell_finetuned(Finetuned(tmp_path / "out", summary, ()), ("rpi5", "pico2"))
    assert "It was stopped." in text and "quantized after training" in text and "points lost against float" in text
    assert text.splitlines()[-1].strip() == document["build"] and "--target rpi5 --target pico2" in document["build"]


def test_what_cannot_be_is_refused_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(UsageError, match="holds something else"):
        _train(tmp_path)
    np.save(tmp_path / "few.npy", np.zeros((4, 8, 8, 4), np.float32))
    with pytest.raises(UsageError, match="4 samples are too few"):
        finetune(tmp_path / "plain.tflite", tmp_path / "few.npy", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(UsageError, match="needs TensorFlow") as caught:
        finetune(tmp_path / "plain.tflite", tmp_path / "few.npy", tmp_path / "new")
    assert "edgeq[finetune]" in caught.value.hint
