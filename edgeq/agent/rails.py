"""Power that a board measures itself, read on the board: hwmon shunts, the PMIC of a Raspberry Pi 5, batteries, RAPL.

What a board has is looked for once; each `read` then costs a few small files (and one `vcgencmd` on a Pi 5).
Every parser is pure; what each sensor sees and how well is told on the host, in `edgeq.probe.power.rails`.
"""

from __future__ import annotations

import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any, Callable

Rail = dict[str, Any]
"""`name`, `from` (pmic, hwmon, battery), and what is known of `mw`, `mv`, `ma`; a battery has `status`, too."""
Source = tuple[str, Callable[[], dict[str, Any]]]

_SHUNTS = ("ina", "ltc29", "ltc42", "pac19", "adm12")
"""How hwmon's names of chips with a shunt begin. A battery has a hwmon folder, too: it is read as a battery."""
_NOT_CONNECTED = "NC"
PMIC = ("vcgencmd", "pmic_read_adc")
REST_S, REST_EVERY_S = 1.0, 0.1


def read() -> dict[str, Any]:
    """`{"rails": [...], "energy_uj": {...}, "range_uj": {...}, "denied": [...]}` of this moment; {} where a board has
    none. Counters of `energy_uj` begin again at 0 behind `range_uj`; `denied` are files that need another user."""
    return read_from(_here())


def at_rest(since_ns: int = 0, seconds: float = REST_S, every_s: float = REST_EVERY_S) -> list[dict[str, Any]]:
    """Readings while the board does nothing, as rows of a bench's trace (`t_ns` since `since_ns`), marked `rest`: its
    idle power. The first is taken after a moment, as a process may still be ending. Nothing, and at once, where the
    board measures nothing."""
    rows: list[dict[str, Any]] = []
    if not _here():
        return rows
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(every_s)
        said = read()
        row = {key: said[key] for key in ("rails", "energy_uj") if said.get(key)}
        if not row:
            return []
        rows.append({"t_ns": time.perf_counter_ns() - since_ns, "rest": True, **row})
    return rows


@cache
def _here() -> tuple[Source, ...]:
    return find(Path("/"))


def find(root: Path) -> tuple[Source, ...]:
    """What gives readings in the tree at `root`; the command of a Pi only where that is this machine's."""
    found: list[Source] = [
        *(("hwmon", _reader(_hwmon, folder)) for folder in _folders(root / "sys/class/hwmon", "hwmon*")),
        *(("battery", _reader(_battery, folder)) for folder in _folders(root / "sys/class/power_supply", "*")),
        *(
            ("hwmon", _reader(_iio, folder))
            for folder in _folders(root / "sys/bus/i2c/drivers/ina3221x", "*/iio:device*")
        ),
        *(("rapl", _reader(_rapl, folder)) for folder in _folders(root / "sys/class/powercap", "*-rapl:*")),
    ]
    if root == Path("/"):
        found.append(("pmic", lambda: {"rails": parse_pmic(_output(PMIC))}))
    return tuple(source for source in found if any(source[1]().values()))


def read_from(sources: tuple[Source, ...]) -> dict[str, Any]:
    """The readings of `sources`, put together; of rails with one name (two chips without labels) the second is `-2`."""
    whole: dict[str, Any] = {"rails": [], "energy_uj": {}, "range_uj": {}, "denied": []}
    for _, source in sources:
        for key, value in source().items():
            whole[key] = whole[key] + value if isinstance(value, list) else {**whole[key], **value}
    seen: dict[str, int] = {}
    for rail in whole["rails"]:
        name = rail["name"]
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            rail["name"] = f"{name}-{seen[name]}"
    return {key: value for key, value in whole.items() if value}


def parse_pmic(text: str) -> list[Rail]:
    """`vcgencmd pmic_read_adc` -> a rail for each current and voltage of the same name, and those that are volts only
    (`EXT5V`: the input; `BATT`: that of the clock). A current without its voltage is left out."""
    values: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) != 2 or "=" not in words[1] or words[0][-2:] not in ("_A", "_V"):
            continue
        try:
            value = float(words[1].partition("=")[2].rstrip("AV"))
        except ValueError:
            continue
        values.setdefault(words[0][:-2], {})[words[0][-1]] = value
    rails: list[Rail] = []
    for name, found in values.items():
        if "V" in found:
            rail: Rail = {"name": name, "from": "pmic", "mv": round(found["V"] * 1e3, 4)}
            if "A" in found:
                rail["ma"] = round(found["A"] * 1e3, 4)
                rail["mw"] = round(found["A"] * found["V"] * 1e3, 4)
            rails.append(rail)
    return rails


def parse_hwmon(chip: str, files: dict[str, str]) -> list[Rail]:
    """The files of one hwmon folder (name -> text) -> its rails.

    `in1_input` in mV and `curr1_input` in mA belong together, `power1_input` is in uW. The product is finer than the
    chip's own power register (20 or 25 current steps); its sign says only which way round the shunt is wired.
    `in0` of an INA2xx and `in4` to `in7` of an INA3221 are the shunt's own voltage. A channel called `NC` is not
    connected.
    """
    rails: list[Rail] = []
    for n in range(1, 9):
        ma, mv = _number(files.get(f"curr{n}_input")), _number(files.get(f"in{n}_input"))
        uw = _number(files.get(f"power{n}_input"))
        label = files.get(f"in{n}_label") or files.get(f"power{n}_label") or files.get(f"curr{n}_label")
        if label == _NOT_CONNECTED or ((ma is None or mv is None) and uw is None):
            continue
        rail: Rail = {"name": label or (chip if n == 1 else f"{chip}.{n}"), "from": "hwmon", "chip": chip}
        if mv is not None:
            rail["mv"] = mv
        if ma is not None:
            rail["ma"] = abs(ma)
        rail["mw"] = round(abs(ma) * mv / 1e3, 4) if ma is not None and mv is not None else round((uw or 0) / 1e3, 4)
        rails.append(rail)
    return rails


def parse_iio(files: dict[str, str]) -> list[Rail]:
    """The files of NVIDIA's own driver, in JetPack 4 and before: `rail_name_0`, and mV, mA and mW of each channel."""
    rails: list[Rail] = []
    for n in range(3):
        mv, ma, mw = (_number(files.get(f"in_{kind}{n}_input")) for kind in ("voltage", "current", "power"))
        name = files.get(f"rail_name_{n}", f"ina3221x.{n}")
        if name == _NOT_CONNECTED or (mw is None and (mv is None or ma is None)):
            continue
        rail: Rail = {"name": name, "from": "hwmon", "chip": "ina3221"}
        known = {"mv": mv, "ma": ma, "mw": mw if mw is not None else round((mv or 0) * (ma or 0) / 1e3, 4)}
        rails.append({**rail, **{key: value for key, value in known.items() if value is not None}})
    return rails


def parse_battery(name: str, files: dict[str, str]) -> list[Rail]:
    """The files of one power_supply folder -> one rail, where it is a battery that feeds the whole device."""
    if files.get("type") != "Battery" or files.get("scope") == "Device":
        return []
    uv, ua, uw = (_number(files.get(key)) for key in ("voltage_now", "current_now", "power_now"))
    rail: Rail = {"name": name, "from": "battery", "status": files.get("status", "Unknown")}
    if uv is not None:
        rail["mv"] = uv / 1e3
    if ua is not None:
        rail["ma"] = abs(ua) / 1e3
    if uw is not None:
        rail["mw"] = abs(uw) / 1e3
    elif uv is not None and ua is not None:
        rail["mw"] = round(abs(ua) * uv / 1e9, 4)
    return [rail] if "mw" in rail else []


def _folders(root: Path, pattern: str) -> list[Path]:
    return sorted(root.glob(pattern)) if root.is_dir() else []


def _reader(parse: Callable[[Path], dict[str, Any]], folder: Path) -> Callable[[], dict[str, Any]]:
    return lambda: parse(folder)


def _hwmon(folder: Path) -> dict[str, Any]:
    chip = _text(folder / "name")
    if not chip.startswith(_SHUNTS):
        return {}
    wanted = [
        f"{kind}{n}_{what}" for kind in ("in", "curr", "power") for n in range(1, 9) for what in ("input", "label")
    ]
    if chip == "ina3221":
        wanted = [name for name in wanted if name.rpartition("_")[0][-1] in "123"]
    return {"rails": parse_hwmon(chip, _texts(folder, wanted))}


def _iio(folder: Path) -> dict[str, Any]:
    wanted = [f"in_{kind}{n}_input" for kind in ("voltage", "current", "power") for n in range(3)]
    return {"rails": parse_iio(_texts(folder, [*wanted, *(f"rail_name_{n}" for n in range(3))]))}


def _battery(folder: Path) -> dict[str, Any]:
    wanted = ["type", "scope", "status", "voltage_now", "current_now", "power_now"]
    return {"rails": parse_battery(folder.name, _texts(folder, wanted))}


def _rapl(folder: Path) -> dict[str, Any]:
    """One zone; a part of a package is called after both, since each package has a `core`."""
    name = _text(folder / "name")
    if not name:
        return {}
    above = _text(folder.parent / folder.name.rpartition(":")[0] / "name") if folder.name.count(":") > 1 else ""
    key = f"{above}/{name}" if above else name
    try:
        energy = _number((folder / "energy_uj").read_text(encoding="ascii"))
    except PermissionError:
        return {"denied": [str(folder / "energy_uj")]}
    except (OSError, ValueError):
        return {}
    most = _number(_text(folder / "max_energy_range_uj"))
    if energy is None:
        return {}
    return {"energy_uj": {key: int(energy)}, "range_uj": {key: int(most)} if most else {}}


def _texts(folder: Path, names: list[str]) -> dict[str, str]:
    found = {name: _text(folder / name) for name in names}
    return {name: text for name, text in found.items() if text}


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[:4096].decode("utf-8", "replace").rstrip("\0\n ")
    except OSError:  # Also a channel that is switched off: reading it fails.
        return ""


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _output(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(list(command), capture_output=True, timeout=2, check=False)
        return done.stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""
