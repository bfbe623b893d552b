"""Recordings: duration, loudness, silence before and after, clipping, signal to noise. Files by libsndfile, or PCM as it is."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tidegate.metrics.descriptors.loudness import GATE, integrated
from tidegate.metrics.descriptors.payloads import content

Samples = npt.NDArray[np.float64]

LONGEST = 120.0
"""Seconds that are measured; what comes after counts for the duration alone."""
FRAME = 0.01
"""Seconds of a frame for silence, three of them for signal to noise."""
SILENCE_BELOW = 40.0
"""dB under the loudest frame: quieter is silence."""
FLOOR = -60.0
"""dBFS: quieter is silence whatever the loudest frame is."""
FULL_SCALE = 0.999
SNR_RANGE = (-20.0, 100.0)


class Clip(NamedTuple):
    """PCM as a model gets it: samples [n] or [n, channels] (int16, int32, or floats of -1 to 1) and how many a second."""

    samples: npt.NDArray[Any]
    rate: float


class Audio:
    """`duration` in seconds; `loudness` in LUFS (ITU-R BS.1770-4, at least -70); `leading_silence` and `trailing_silence` in
    seconds: 10 ms frames whose RMS is 40 dB below the loudest one or below -60 dBFS; `clipping`: share of samples at full scale
    (>= .999); `snr` in dB, an estimate: the noise is the 10th percentile of the power of 30 ms frames, the signal the mean power of frames
    at twice that or more, less the noise (so it needs pauses; steady tones look like noise); `unreadable`.

    >>> found = Audio().describe([Clip(np.zeros(16000), 16000.0)])
    >>> found["duration"], found["loudness"], found["leading_silence"]
    ([1.0], [-70.0], [1.0])
    """

    id = "audio"
    help = (
        "Of recordings: duration, loudness, silence at both ends, clipping, signal to noise (extra `audio` for files)."
    )
    names = ("duration", "loudness", "leading_silence", "trailing_silence", "clipping", "snr", "unreadable")

    def describe(self, values: Sequence[Any]) -> dict[str, list[Any]]:
        """Bytes (or base64) of WAV, FLAC or Ogg files, or Clips."""
        found = [_of(value) for value in values]
        return {name: [row[i] for row in found] for i, name in enumerate(self.names)}


_NOTHING = (None,) * 7
_UNREADABLE = (None,) * 6 + (True,)


def _of(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Clip):
        samples = as_float(value.samples)
        return _measured(samples, value.rate, len(samples) / value.rate)
    data = content(value)
    if data is None:
        return _NOTHING if value is None else _UNREADABLE
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: installed, without the library that it needs
        return _NOTHING
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, frames = float(file.samplerate), int(file.frames)
            samples = file.read(int(min(frames, LONGEST * rate)), dtype="float64", always_2d=True)
    except Exception:  # libsndfile's errors, and those of a header that lies
        return _UNREADABLE
    return _measured(samples, rate, frames / rate)


def _measured(samples: Samples, rate: float, duration: float) -> tuple[Any, ...]:
    samples = samples[: int(LONGEST * rate)]
    if not len(samples):
        return (duration, None, None, None, None, None, False)
    samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    before, after = silence(mono, rate)
    return (
        duration,
        max(integrated(samples, rate), GATE),
        before,
        after,
        float((np.abs(samples) >= FULL_SCALE).mean()),
        signal_to_noise(mono, rate),
        False,
    )


def as_float(samples: npt.NDArray[Any]) -> Samples:
    """PCM -> floats of -1 to 1."""
    if samples.dtype.kind == "i":
        return samples.astype(np.float64) / -float(np.iinfo(samples.dtype).min)
    return samples.astype(np.float64)


def silence(samples: Samples, rate: float) -> tuple[float, float]:
    """Seconds of silence before and after; a recording that is silent throughout has all of it before."""
    level = 10.0 * np.log10(_power(samples, rate, FRAME) + 1e-20)
    heard = np.flatnonzero(level > max(float(level.max()) - SILENCE_BELOW, FLOOR))
    if not len(heard):
        return len(samples) / rate, 0.0
    return float(heard[0]) * FRAME, float(len(level) - 1 - heard[-1]) * FRAME


def signal_to_noise(samples: Samples, rate: float) -> float | None:
    """dB; None below half a second, and for silence."""
    power = _power(samples, rate, 3 * FRAME)
    if len(power) < 16 or not float(power.max()) > 0.0:
        return None
    noise = float(np.percentile(power, 10.0))
    loud = power[power >= 2.0 * noise]
    signal = float(loud.mean()) - noise if len(loud) else 0.0
    low, high = SNR_RANGE
    if noise <= 0.0:
        return high
    return float(np.clip(10.0 * math.log10(signal / noise), low, high)) if signal > 0.0 else low


def _power(samples: Samples, rate: float, seconds: float) -> Samples:
    """Mean square of frames; what is left at the end is a frame of its own only where there is no other."""
    size = max(1, round(rate * seconds))
    whole = len(samples) // size * size
    if not whole:
        return np.array([np.square(samples).mean()])
    found: Samples = np.square(samples[:whole]).reshape(-1, size).mean(axis=1)
    return found
