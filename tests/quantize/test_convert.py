from __future__ import annotations

import hashlib
import os
import signal
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tinymodel

from edgeq.errors import ConvertError, UsageError
from edgeq.model.tflite import read_model
from edgeq.quantize import convert as module
from edgeq.quantize import process
from edgeq.quantize.convert import convert
from edgeq.quantize.verify import check_integer


def test_keras_becomes_int8_and_tells_its_stages() -> None:
    stages: list[str] = []
    both = convert(tinymodel.models() / "tiny.keras", tinymodel.samples(), progress=stages.append)
    assert [stage.split()[0] for stage in stages] == ["loading", "loading", "converting", "quantizing", "checking"]
    check_integer(read_model(both.model))
    assert both == tinymodel.converted(), "two processes make the same bytes"


@pytest.mark.parametrize("name", ["tiny.h5", "tiny_saved"])
def test_other_forms_of_the_model_give_the_same_numbers(name: str) -> None:
    both = convert(tinymodel.models() / name, tinymodel.samples())
    info, expected = read_model(both.model), read_model(tinymodel.converted().model)
    check_integer(info)
    assert info.op_counts() == expected.op_counts()
    assert [tensor.scales for tensor in (*info.inputs, *info.outputs)] == [
        tensor.scales for tensor in (*expected.inputs, *expected.outputs)
    ]
    assert info.inputs[0].name == "image"


def test_float_tflite_is_quantized_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tinymodel.converted().float_model)
    assert convert(path, tinymodel.samples()) == tinymodel.converted()


def test_float_inputs_and_outputs_on_request() -> None:
    both = convert(tinymodel.models() / "tiny.keras", tinymodel.samples(), io="float32")
    info = read_model(both.model)
    assert [tensor.dtype for tensor in (*info.inputs, *info.outputs)] == ["float32", "float32"]
    check_integer(info, "float32")
    with pytest.raises(ConvertError, match="'image' is float32; int8 was promised"):
        check_integer(info)


def test_an_operator_without_integer_form_is_named() -> None:
    with pytest.raises(ConvertError, match="operator SIN works on the float32 tensor"):
        convert(tinymodel.models() / "sine.keras", np.ones((4, 8)))


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("erf", (4, 8), r"uses tf\.Erf, which \.tflite has no operator for"),
        ("open", (4, 7, 8), r"shape \[\?, \?, 8\]; every axis but the first must have a fixed size"),
    ],
)
def test_what_cannot_be_converted_is_told_in_one_sentence(name: str, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(ConvertError, match=words) as caught:
        convert(tinymodel.models() / f"{name}.keras", np.ones(shape))
    assert "\n" not in caught.value.message and caught.value.hint


def test_samples_of_another_shape_are_a_mistake_of_usage() -> None:
    with pytest.raises(UsageError, match=r"'image' wants samples of shape \[8, 8, 1\]; sample 0 has \[9, 8\]"):
        convert(tinymodel.models() / "tiny.keras", np.ones((4, 9, 8)))


def test_a_crash_of_the_converter_becomes_an_error() -> None:
    """TensorFlow's quantizer dies of the loop of a Keras LSTM (signal 11, with TensorFlow 2.21)."""
    try:
        convert(tinymodel.models() / "lstm.keras", np.ones((4, 5, 8)))
    except ConvertError as error:
        assert "crashed (SIG" in error.message and "quantizing" in error.message
        assert "unroll=True" in error.hint
        log = Path(os.environ["EDGEQ_HOME"]) / "logs" / "conversion.log"
        assert str(log) in error.hint and log.is_file()


def _python_instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> None:
    """Run `body` with the worker's arguments, in place of the worker."""
    script = tmp_path / "python"
    script.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\nstatus = 1\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setattr(process.sys, "executable", str(script))


def test_a_signal_is_named_with_its_stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    body = "os.write(status, b'first\\nsecond\\nthi')\nos.kill(os.getpid(), signal.SIGKILL)"
    _python_instead(monkeypatch, tmp_path, body)
    stages: list[str] = []
    with pytest.raises(ConvertError, match=r"crashed \(SIGKILL\) while second") as caught:
        convert(tinymodel.models() / "tiny.keras", tinymodel.samples(), progress=stages.append)
    assert stages == ["first", "second"]
    assert "memory" in caught.value.hint


def test_another_end_tells_the_last_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _python_instead(monkeypatch, tmp_path, "print('noise', file=sys.stderr)\nsys.exit('the disk is gone')")
    with pytest.raises(ConvertError, match="failed while starting: the disk is gone"):
        convert(tinymodel.models() / "tiny.keras", tinymodel.samples())


def test_the_deadline_holds_and_nothing_is_left_running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    body = f"open({str(pid)!r}, 'w').write(str(os.getpid()))\nos.write(status, b'sleeping\\n')\ntime.sleep(60)"
    _python_instead(monkeypatch, tmp_path, body)
    with pytest.raises(ConvertError, match="did not end within 10 s; it was at: sleeping"):
        convert(tinymodel.models() / "tiny.keras", tinymodel.samples(), timeout_s=10)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), signal.SIG_DFL)


def test_wrong_usage_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "run_worker", None)
    with pytest.raises(UsageError, match="does not exist"):
        convert(tmp_path / "none.keras", tinymodel.samples())
    with pytest.raises(UsageError, match="'int4'"):
        convert(tinymodel.models() / "tiny.keras", tinymodel.samples(), io="int4")
    with pytest.raises(UsageError, match="needs representative data"):
        convert(tinymodel.models() / "tiny.keras", None)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        convert(tinymodel.models() / "tiny.keras", tinymodel.samples())
    assert caught.value.hint == "pip install 'edgeq[convert]'"


def test_a_file_that_keras_cannot_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", '{"class_name": "Mystery", "config": {}}')
    with pytest.raises(ConvertError, match=r"Keras cannot read 'broken\.keras'"):
        convert(path, tinymodel.samples())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "data", "digits"),
    [("kws_savedmodel", "kws01_mfcc_int8.npz", 12), ("kws_ref_tfkeras.h5", "kws01_mfcc_int8.npz", 12)],
)
def test_models_of_keras_2_convert(shared_models: Path, model: str, data: str, digits: int) -> None:
    x = (np.load(shared_models / data)["x"].astype(np.float32) - 83) * 0.5847029
    both = convert(shared_models / model, x[:50])
    info = read_model(both.model)
    check_integer(info)
    assert info.macs() == 2_656_768
    assert info.outputs[0].shape == (1, digits)
    assert hashlib.sha256(both.model).digest() == hashlib.sha256(convert(shared_models / model, x[:50]).model).digest()


def test_a_model_that_is_quantized_already_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tinymodel.converted().model)
    with pytest.raises(ConvertError, match="'image' is int8; edgeq quantizes models with a float32 input"):
        convert(path, tinymodel.samples())


def test_a_folder_for_temporary_files_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "store", full)
    with pytest.raises(ConvertError, match="No space left on device") as caught:
        convert(tinymodel.models() / "tiny.keras", tinymodel.samples())
    assert "TMPDIR" in caught.value.hint
