"""What kind of model lies at a path, by what is in it, not by its name alone; and what to do about all others."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from edgeq.errors import ArtifactError, UsageError

KERAS, HDF5, SAVED_MODEL, TFLITE = "keras", "h5", "saved_model", "tflite"
SUFFIXES: Mapping[str, str] = {".keras": KERAS, ".h5": HDF5, ".hdf5": HDF5, ".tflite": TFLITE}
"""The front end for files of each suffix; a SavedModel is a folder."""

GIVE = f"Give a file ending in {', '.join(SUFFIXES)}, or a SavedModel folder."

_ONNX = (
    "Convert it to a SavedModel first, with onnx2tf in an environment of its own: onnx2tf -i model.onnx -o folder; "
    "or export the model from the framework that it was trained in."
)
_TORCH = (
    "Export it from PyTorch with litert-torch, in an environment of its own, and build from the .tflite that it writes."
)
_FOREIGN: Mapping[str, tuple[str, str]] = {
    ".onnx": ("an ONNX model", _ONNX),
    ".pt": ("a PyTorch model", _TORCH),
    ".pth": ("a PyTorch model", _TORCH),
    ".pt2": ("a PyTorch model", _TORCH),
    ".ckpt": ("a checkpoint, which holds weights only", "Load it into its model and save that whole."),
    ".index": ("a checkpoint, which holds weights only", "Load it into its model and save that whole."),
    ".safetensors": ("a file of weights only", "Load it into its model and save that whole."),
    ".npz": ("a file of arrays", "Give it as --data, and a model beside it."),
    ".mlmodel": ("a Core ML model", "Save the model from the framework that it was trained in."),
    ".mlpackage": ("a Core ML model", "Save the model from the framework that it was trained in."),
    ".pb": (
        "a TensorFlow graph without its folder",
        "Give the SavedModel folder that holds saved_model.pb; a frozen graph must be saved as a SavedModel first "
        "(tf.compat.v1.saved_model.simple_save).",
    ),
    ".pkl": ("a pickle", "Save the model with model.save('model.keras')."),
    ".json": ("the description of a model without its weights", "Save the model whole: model.save('model.keras')."),
    ".eqb": ("a bundle that edgeq built", "Deploy it: edgeq deploy FILE --to DEVICE."),
}
_MAGIC = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a WAV file or another RIFF container"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\x7fELF", "a program"),
    (b"version https://git-lfs", "a pointer of Git LFS, without the file itself"),
    (b"<", "a web page or another text"),
)
_HDF5 = b"\x89HDF\r\n\x1a\n"


def front_end(path: Path) -> str:
    """KERAS, HDF5, SAVED_MODEL or TFLITE.

    `UsageError` for a path that edgeq does not read, `ArtifactError` for a file that is not what its name says.
    """
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        raise UsageError(f"The model '{path}' does not exist.", GIVE)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise _unread(path, suffix)
    head = _head(path)
    if not head:
        raise ArtifactError(f"The model '{path}' is an empty file.", "Save it again, or fetch it again.")
    return _HELD[SUFFIXES[suffix]](path, head)


def _folder(path: Path) -> str:
    if any((path / f"saved_model.{suffix}").is_file() for suffix in ("pb", "pbtxt")):
        return SAVED_MODEL
    inner = sorted(item.parent for item in path.glob("*/saved_model.pb"))
    if inner:
        raise UsageError(f"The model '{path}' is not a SavedModel folder; '{inner[0]}' is.", f"Give '{inner[0]}'.")
    if (path / "checkpoint").is_file() or any(path.glob("*.index")):
        raise UsageError(
            f"The model '{path}' is not a SavedModel folder; it holds a checkpoint, which is weights only.",
            "Load it into its model and export that: model.export(folder).",
        )
    raise UsageError(f"The model '{path}' is not a SavedModel folder: it has no saved_model.pb.", GIVE)


def _unread(path: Path, suffix: str) -> UsageError:
    what, hint = _FOREIGN.get(suffix, ("", GIVE))
    if what:
        return UsageError(f"The model '{path}' is {what}, which edgeq does not read.", hint)
    if _head(path)[4:8] == b"TFL3":
        hint = "It is a .tflite model by its content: give it a name that ends in .tflite."
    return UsageError(f"The model '{path}' is of no kind that edgeq reads ({suffix or 'no suffix'}).", hint)


def _keras(path: Path, head: bytes) -> str:
    if head.startswith(_HDF5):
        return HDF5
    if not zipfile.is_zipfile(path):
        raise _not_a(path, "a .keras model", head)
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ArtifactError(f"The model '{path}' is a damaged zip archive: {error}.", "Save it again.") from error
    if "config.json" not in names:
        raise ArtifactError(
            f"The model '{path}' is a zip archive, but not a .keras model: it holds no config.json.",
            "Save the model with model.save('model.keras').",
        )
    return KERAS


def _hdf5(path: Path, head: bytes) -> str:
    if not head.startswith(_HDF5):
        raise _not_a(path, "a Keras .h5 model", head)
    return HDF5


def _tflite(path: Path, head: bytes) -> str:
    if head[4:8] != b"TFL3":
        raise _not_a(path, "a .tflite model", head)
    return TFLITE


_HELD = {KERAS: _keras, HDF5: _hdf5, TFLITE: _tflite}


def _not_a(path: Path, what: str, head: bytes) -> ArtifactError:
    if head[4:8] == b"TFL3":
        return ArtifactError(
            f"The model '{path}' is not {what}: it is a .tflite model.", "Let its name end in .tflite."
        )
    found = next((f"it is {name}" for magic, name in _MAGIC if head.startswith(magic)), "its content is something else")
    return ArtifactError(f"The model '{path}' is not {what}: {found}.", "Save it again, or fetch it again.")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise UsageError(f"The model '{path}' cannot be read: {error.strerror}.", "Check its permissions.") from error
