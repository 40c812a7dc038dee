"""Meters' recordings: what their headers mean, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.errors import UsageError
from edgeq.probe.power.recording import read_recording


def write(folder: Path, text: str, name: str = "meter.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "t_s,power_mw\n0,100\n0.5,200\n",
        "Time(s),Power(W)\n0,0.1\n0.5,0.2\n",
        "timestamp_us,current_ma,voltage_v\n0,20,5\n500000,40,5\n",
        "Timestamp(ms);Current(uA);Voltage [mV]\n0;20000;5000\n500;40000;5000\n",
        "elapsed_ns\tP (µW)\n0\t100000\n500000000\t200000\n",
        "# a meter's remark\npower_mw,note,T_S\n100,begin,0\n\n200,end,0.5\n",
        "t_s,power_mw,current_a,voltage_v\n0,100,9,9\n0.5,200,9,9\n",
        "\ufefft_s,power_mw\n0,100\n0.5,200\n",
        "Time (s);Current (A);Voltage (V)\r\n0,0;0,02;5,0\r\n0,5;4,0e-2;5,0\r\n",
        "t_s\tpower_w\n0\t0,1\n0,5\t0,2\n",
        "#time,current,voltage,power,charge,energy\n0.0,0.02,5,0.1,0,0\n0.5,0.04,5,0.2,0.01,0.05\n",
        "# made by hand\n# t_s, power_mw\n0,1e2\n0.5,2e2\n",
        "# a remark\nt(s),p(w)\n0,.1\n.5,.2\n",
        "# a remark\nt_s,power_mw,\n0,100,\n# another\n0.5,200,\n",
    ],
)
def test_headers_of_many_meters_say_the_same(tmp_path: Path, text: str) -> None:
    recording = read_recording(write(tmp_path, text))
    assert recording.t_s == pytest.approx((0, 0.5))
    assert recording.power_mw == pytest.approx((100, 200))
    assert recording.gate == ()
    assert recording.windows() == ()


def test_a_windows_program_s_micro_sign_is_one(tmp_path: Path) -> None:
    path = tmp_path / "scope.csv"
    path.write_bytes("Time (µs);Power (µW)\n0;100000,0\n500000;200000,0\n".encode("cp1252"))
    assert read_recording(path).t_s == pytest.approx((0, 0.5))
    assert read_recording(path).power_mw == pytest.approx((100, 200))


def test_a_pin_is_found_in_the_ppk2_s_string_of_pins(tmp_path: Path) -> None:
    levels = ["0", "0", "1", "1", "0", "X", "1", "X", "0"]
    rows = "".join(f"{ms},1000,00{level}0000-\n" for ms, level in enumerate(levels))
    path = write(tmp_path, "Timestamp(ms),Current(uA),D0-D7\n" + rows)
    windows = read_recording(path, gate="D2", supply_v=3.0).windows()
    assert [edge for window in windows for edge in window] == pytest.approx([0.0015, 0.0035, 0.0045, 0.0065])
    assert read_recording(path, gate="d0", supply_v=3.0).windows() == ()
    with pytest.raises(UsageError, match="'-' is not a finite number"):
        read_recording(path, gate="D7", supply_v=3.0)
    with pytest.raises(UsageError, match="no marker column 'D8'"):
        read_recording(path, gate="D8", supply_v=3.0)


def test_a_separate_column_of_a_pin_goes_before_the_string_of_pins(tmp_path: Path) -> None:
    path = write(tmp_path, "t_s,power_mw,D0-D7,D0\n0,1,10000000,0\n1,1,10000000,1\n2,1,10000000,0\n")
    assert read_recording(path, gate="D0").windows() == ((0.5, 1.5),)


def test_current_alone_takes_the_supply_it_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "Timestamp(ms),Current(uA),D0-D7\n0,1000,00000001\n1,2000,00000000\n")
    assert read_recording(path, supply_v=3.0).power_mw == pytest.approx((3, 6))
    with pytest.raises(UsageError, match="current without voltage") as caught:
        read_recording(path)
    assert "supply_v=3.3" in caught.value.hint


def test_a_voltage_of_zero_is_not_replaced(tmp_path: Path) -> None:
    path = write(tmp_path, "t_s,current_a,voltage_v\n0,1,0\n1,1,5\n")
    assert read_recording(path, supply_v=9).power_mw == (0, 5000)


def test_gate_windows_begin_and_end_between_samples(tmp_path: Path) -> None:
    rows = zip(range(10), [0, 0, 1, 1, 0, 0, 0, 1, 1, 1], strict=True)
    path = write(tmp_path, "t_s,power_mw,gate\n" + "".join(f"{t},1,{on}\n" for t, on in rows))
    assert read_recording(path).windows() == ((1.5, 3.5), (6.5, 9))
    path = write(tmp_path, "t_s,power_mw,D3\n0,1,1\n1,1,1\n2,1,0\n")
    assert read_recording(path, gate="d3").windows() == ((0, 1.5),)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "no column gives time; the header has nothing", "t_s"),
        ("t_s,power_mw\n", "has 0 samples", "longer"),
        ("t_s,power_mw\n0,1\n", "has 1 samples", "longer"),
        ("time,power_mw\n0,1\n1,1\n", "no column gives time; the header has 'time', 'power_mw'", "'time' needs a unit"),
        ("Record Length,1000\nt_s,power_mw\n0,1\n1,1\n", "no column gives time", "lines above the header"),
        ("t_s,temperature_c\n0,1\n1,1\n", "no column gives power or current", "current_ma"),
        ("t_s,power_kw\n0,1\n1,1\n", "'power_kw' has the unknown unit 'kw'", "w, mw, uw, nw"),
        ("t_s,power_mw,p_w\n0,1,1\n1,1,1\n", "'power_mw' and 'p_w' both give power", "one"),
        ("t_s,power_mw\n0,1\n1,abc\n", r"meter\.csv:3: column 'power_mw': 'abc' is not a finite number", "line"),
        ("t_s,power_mw\n0,1\n1,nan\n", "'nan' is not a finite number", "line"),
        ("t_s,power_mw\n0,1\n1\n", ":3: column 'power_mw': the value is missing", "line"),
        ("t_s,power_mw\n0,1\n2,1\n1,1\n", ":4: time does not advance: 1 s after 2 s", "Sort"),
        ("t_s,power_mw\n0,1\n0,1\n", ":3: time does not advance", "doubled"),
        ("t_s,power_mw\n0,0,100,0\n0,5,200,0\n", ":2: has 4 cells where the header has 2", "decimal commas"),
        ("t_s;power_mw\n0,0;1.000,5\n", "'1.000,5' is not a finite number", "line"),
        ("time,current,voltage\n0,1,5\n", "no column gives time", "needs a unit"),
        ("t_s,power_mw,gate\n0,1,0\n1,1,2\n", ":3: the marker must be 0 or 1; it is 2", "marker"),
    ],
)
def test_bad_recordings_are_refused(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_recording(write(tmp_path, text))
    assert hint in caught.value.hint


def test_an_absent_file_and_an_absent_marker_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no recording .*none\.csv"):
        read_recording(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UsageError, match=r"binary\.csv: cannot be read"):
        read_recording(tmp_path / "binary.csv")
    with pytest.raises(UsageError, match="no marker column 'D7'"):
        read_recording(write(tmp_path, "t_s,power_mw\n0,1\n1,1\n"), gate="D7")


def test_too_many_samples_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.probe.power.recording.MOST_SAMPLES", 2)
    with pytest.raises(UsageError, match="more than 2 samples"):
        read_recording(write(tmp_path, "t_s,power_mw\n0,1\n1,1\n2,1\n"))


@settings(max_examples=200)
@given(text=st.text(st.sampled_from("t_s,power_mw\n0123.e-;\"' nan()#gatecurrent"), max_size=120))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = write(tmp_path_factory.getbasetemp(), "t_s,power_mw\n" + text, "any.csv")
    try:
        recording = read_recording(path)
    except UsageError:
        return
    assert len(recording.t_s) == len(recording.power_mw) >= 2
