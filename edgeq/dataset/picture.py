"""One image file -> pixels, through Pillow, which only this module imports."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.preprocess.raw import Raw

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
MOST_PIXELS = 64 << 20
MOST_BYTES = 256 << 20


def read_image(path: Path) -> Raw:
    """uint8 [h, w, 3] in RGB order, or [h, w, 1] where the file is greyscale; upright as its EXIF says.

    Transparency is dropped, 16-bit grey keeps its upper byte, of an animation the first frame is taken.
    """
    return decode_image(_bytes(path), f"'{path}'")


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"The image '{path}' has {path.stat().st_size:,} bytes.", "Make it smaller first.")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"The image '{path}' cannot be read: {error.strerror}.", "Is it still there?") from error


def looks_encoded(data: bytes) -> bool:
    """Are these the bytes of a file, rather than plain pixels? Two letters are not enough to tell a BMP."""
    bitmap = data[:2] == b"BM" and data[2:6] == len(data).to_bytes(4, "little")
    return bitmap or data[8:12] == b"WEBP" or data.startswith((b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8"))


def decode_image(data: bytes, what: str) -> Raw:
    """The same from the bytes of a file; `what` names it in errors."""
    _, transposed = _pillow()
    return Raw(_decoded(data, what, FORMATS, lambda image: _pixels(transposed(image))))


def read_mask(path: Path) -> NDArray[Any]:
    """The numbers that a PNG file has at each pixel, grey values or entries of a palette: uint8 or uint16 [h, w]."""
    return _decoded(_bytes(path), f"'{path}'", FORMATS[:1], lambda image: _numbers(image, path))


def _decoded(data: bytes, what: str, formats: tuple[str, ...], taken: Callable[[Any], NDArray[Any]]) -> NDArray[Any]:
    image_module, _ = _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with image_module.open(io.BytesIO(data), formats=formats) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise UsageError(
                        f"The image {what} has {image.width} x {image.height} pixels; {MOST_PIXELS:,} may be read.",
                        "Make it smaller first.",
                    )
                return taken(image)
    except UsageError:
        raise
    except Exception as error:  # broken files make Pillow raise nearly anything
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        if type(error).__name__ == "UnidentifiedImageError":
            reason = f"it is none of {', '.join(formats)}" if formats[1:] else f"it is no {formats[0]}"
        raise UsageError(
            f"The image {what} cannot be read: {reason}.", "Remove it, or save it again as PNG or JPEG."
        ) from error


def encode_jpeg(pixels: NDArray[Any], quality: int) -> bytes:
    """uint8 [h, w, 1 or 3] -> the bytes of a JPEG file."""
    image_module, _ = _pillow()
    file = io.BytesIO()
    image_module.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _pixels(image: Any) -> NDArray[Any]:
    if image.mode.startswith("I"):
        # 16-bit grey; as other decoders to 8 bits do, the upper byte is kept.
        deep = np.asarray(image).astype(np.int64)
        return (deep.clip(0, 65535) >> 8).astype(np.uint8)[:, :, None]
    if image.mode in ("1", "L", "LA", "La"):
        return np.array(image.convert("L"), np.uint8)[:, :, None]
    return np.array(image.convert("RGB"), np.uint8)


def _numbers(image: Any, path: Path) -> NDArray[Any]:
    if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
        raise UsageError(
            f"The mask '{path}' has colours ({image.mode}); a mask has the number of a class at each pixel.",
            "Save it as greyscale, or with a palette whose entries are the classes.",
        )
    return np.array(image).astype(np.uint16 if image.mode.startswith("I") else np.uint8)


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise UsageError(
            "Reading images needs Pillow, which is not installed.", "pip install 'edgeq[images]'"
        ) from error
    return Image, ImageOps.exif_transpose
