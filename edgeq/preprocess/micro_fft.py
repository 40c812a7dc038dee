"""kiss_fft's real FFT in 16 bits, as TFLM's audio front end has it: radix 4, then 2, divided by the radix each time."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_BITS = 15
_MOST = 32767


def real_fft(twiddles: Array, real_twiddles: Array, samples: Array) -> tuple[Array, Array]:
    """(real, imaginary), each int16 [time, n / 2 + 1] and divided by n, of int16 samples [time, n]."""
    import numpy as np

    half = samples.shape[1] // 2
    real, imaginary = complex_fft(twiddles, samples[:, 0::2], samples[:, 1::2])
    out_real, out_imaginary = (np.zeros((len(samples), half + 1), np.int16) for _ in range(2))
    first_real, first_imaginary = _over(real[:, 0], 2), _over(imaginary[:, 0], 2)
    out_real[:, 0], out_real[:, half] = first_real + first_imaginary, first_real - first_imaginary
    k = np.arange(1, half // 2 + 1)
    here_real, here_imaginary = _over(real[:, k], 2), _over(imaginary[:, k], 2)
    there_real, there_imaginary = _over(real[:, half - k], 2), _over(-imaginary[:, half - k], 2)
    even_real, even_imaginary = here_real + there_real, here_imaginary + there_imaginary
    odd_real, odd_imaginary = _times(here_real - there_real, here_imaginary - there_imaginary, real_twiddles[k - 1])
    out_real[:, k] = _half(even_real, odd_real)
    out_imaginary[:, k] = _half(even_imaginary, odd_imaginary)
    out_real[:, half - k] = _half(even_real, odd_real, -1)
    out_imaginary[:, half - k] = _half(odd_imaginary, even_imaginary, -1)
    return out_real, out_imaginary


def complex_fft(twiddles: Array, real: Array, imaginary: Array) -> tuple[Array, Array]:
    """(real, imaginary), int16 [time, n], divided by n, for n a power of two; twiddles int16 [n, 2]."""
    time, size = real.shape
    radices, order = _plan(size)
    real, imaginary = real[:, order], imaginary[:, order]
    length = 1
    for radix in reversed(radices):
        shape = (time, size // (radix * length), radix, length)
        butterfly = _radix_4 if radix == 4 else _radix_2
        real, imaginary = butterfly(_over(real, radix).reshape(shape), _over(imaginary, radix).reshape(shape), twiddles)
        real, imaginary = real.reshape(time, size), imaginary.reshape(time, size)
        length *= radix
    return real, imaginary


@lru_cache(maxsize=16)
def _plan(size: int) -> tuple[tuple[int, ...], Array]:
    """The radices, outermost first, and the order in which the innermost stage takes its input."""
    import numpy as np

    radices: list[int] = []
    order, stride = np.zeros(1, np.int64), 1
    while stride < size:
        radices.append(4 if size // stride % 4 == 0 else 2)
        order = (order[:, None] + stride * np.arange(radices[-1])).ravel()
        stride *= radices[-1]
    return tuple(radices), order


def _radix_2(real: Array, imaginary: Array, twiddles: Array) -> tuple[Array, Array]:
    import numpy as np

    turned = _turned(real, imaginary, twiddles, 1)
    return tuple(
        np.stack([x[:, :, 0] + t, x[:, :, 0] - t], axis=2) for x, t in ((real, turned[0]), (imaginary, turned[1]))
    )  # type: ignore[return-value]


def _radix_4(real: Array, imaginary: Array, twiddles: Array) -> tuple[Array, Array]:
    import numpy as np

    real_1, imaginary_1 = _turned(real, imaginary, twiddles, 1)
    real_2, imaginary_2 = _turned(real, imaginary, twiddles, 2)
    real_3, imaginary_3 = _turned(real, imaginary, twiddles, 3)
    near_real, near_imaginary = real[:, :, 0] + real_2, imaginary[:, :, 0] + imaginary_2
    far_real, far_imaginary = real[:, :, 0] - real_2, imaginary[:, :, 0] - imaginary_2
    sum_real, sum_imaginary = real_1 + real_3, imaginary_1 + imaginary_3
    gap_real, gap_imaginary = real_1 - real_3, imaginary_1 - imaginary_3
    found_real = (near_real + sum_real, far_real + gap_imaginary, near_real - sum_real, far_real - gap_imaginary)
    found_imaginary = (
        *(near_imaginary + sum_imaginary, far_imaginary - gap_real),
        *(near_imaginary - sum_imaginary, far_imaginary + gap_real),
    )
    return np.stack(found_real, axis=2), np.stack(found_imaginary, axis=2)


def _turned(real: Array, imaginary: Array, twiddles: Array, leg: int) -> tuple[Array, Array]:
    """One leg of each butterfly times its twiddles; [time, blocks, radix, length] to [time, blocks, length]."""
    blocks, length = real.shape[1], real.shape[3]
    return _times(real[:, :, leg], imaginary[:, :, leg], twiddles[: leg * blocks * length : leg * blocks])


def _times(real: Array, imaginary: Array, twiddles: Array) -> tuple[Array, Array]:
    """Complex product with twiddles [n, 2], rounded to int16."""
    import numpy as np

    wide_real, wide_imaginary = real.astype(np.int32), imaginary.astype(np.int32)
    cosine, sine = twiddles[:, 0].astype(np.int32), twiddles[:, 1].astype(np.int32)
    return _rounded(wide_real * cosine - wide_imaginary * sine), _rounded(wide_real * sine + wide_imaginary * cosine)


def _over(x: Array, divisor: int) -> Array:
    """Divided as kiss_fft divides: by a product with 32767 // divisor."""
    import numpy as np

    return _rounded(x.astype(np.int32) * (_MOST // divisor))


def _rounded(x: Array) -> Array:
    import numpy as np

    return (x + (1 << (_BITS - 1)) >> _BITS).astype(np.int16)


def _half(x: Array, y: Array, sign: int = 1) -> Array:
    """(x + sign * y) / 2 without a carry lost, rounded down."""
    import numpy as np

    return (x.astype(np.int32) + sign * y.astype(np.int32) >> 1).astype(np.int16)
