"""Records what TensorFlow, librosa and Pillow give, as `tests/cases/preprocess/{audio,image}.npz`.

Run by hand: `python tests/preprocess/record_cases.py`, with tensorflow, librosa and pillow installed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

CASES = Path(__file__).resolve().parents[1] / "cases" / "preprocess"
SIZES = ((13, 9), (5, 7), (24, 20), (3, 30))  # what an image of 12 x 10 is resized to


def clip() -> np.ndarray:
    """A tenth of a second at 16 kHz: a tone that rises, and noise."""
    rng = np.random.default_rng(1)
    time = np.arange(1600) / 16000
    return (9000 * np.sin(2 * np.pi * (300 + 8000 * time) * time) + rng.normal(0, 400, 1600)).astype(np.int16)


def tensorflow_audio(samples: np.ndarray) -> dict[str, np.ndarray]:
    import tensorflow as tf

    found = {}
    audio = tf.constant(samples / 32768.0, tf.float32)
    for name, window in (("hann", tf.signal.hann_window), ("hamming", tf.signal.hamming_window)):
        for periodic in (True, False):
            stft = tf.signal.stft(audio, 480, 320, 512, lambda n, dtype, w=window, p=periodic: w(n, p, dtype))
            found[f"tf_stft_{name}_{periodic}"] = np.abs(stft.numpy())
    weights = tf.signal.linear_to_mel_weight_matrix(40, 257, 16000, 20.0, 4000.0)
    found["tf_mel"] = weights.numpy()
    logged = tf.math.log(tf.matmul(found["tf_stft_hann_True"], weights) + 1e-6)
    found["tf_log_mel"] = logged.numpy()
    found["tf_mfcc"] = tf.signal.mfccs_from_log_mel_spectrograms(logged)[..., :10].numpy()
    return found


def librosa_audio(samples: np.ndarray) -> dict[str, np.ndarray]:
    import librosa
    import scipy.fft

    found = {}
    for norm in ("slaney", None):
        for htk in (False, True):
            weights = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=64, fmin=50, fmax=7000, htk=htk, norm=norm)
            found[f"librosa_mel_{norm}_{htk}"] = weights.T
    power = np.abs(librosa.stft(samples / 32768.0, n_fft=512, hop_length=160, center=False)) ** 2
    found["librosa_power"] = power.T
    mel = librosa.filters.mel(sr=16000, n_fft=512, n_mels=32, fmin=0, fmax=8000) @ power
    found["librosa_decibels"] = librosa.power_to_db(mel, amin=1e-10, top_db=None).T
    found["librosa_pcen"] = librosa.pcen(mel * 2**31, b=0.025, gain=0.98, bias=2, power=0.5, eps=1e-6).T
    found["ortho"] = scipy.fft.dct(found["librosa_decibels"], type=2, norm="ortho")[:, :13]
    return found


def image_cases() -> dict[str, np.ndarray]:
    import tensorflow as tf
    from PIL import Image

    image = np.random.default_rng(2).integers(0, 256, (12, 10, 3)).astype(np.uint8)
    found = {"image": image}
    pillow = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    for size in SIZES:
        for name in ("nearest", "bilinear", "bicubic", "area"):
            for antialias in (False, True):
                resized = tf.image.resize(image.astype(np.float32), size, name, antialias=antialias)
                found[f"tf_{name}_{antialias}_{size[0]}x{size[1]}"] = resized.numpy()
        for name, filter in pillow.items():
            plane = Image.fromarray(image[:, :, 0].astype(np.float32), "F").resize(size[::-1], filter)
            found[f"pillow_{name}_{size[0]}x{size[1]}"] = np.asarray(plane)
    return found


if __name__ == "__main__":
    samples = clip()
    np.savez_compressed(CASES / "audio.npz", samples=samples, **tensorflow_audio(samples), **librosa_audio(samples))
    np.savez_compressed(CASES / "image.npz", **image_cases())
