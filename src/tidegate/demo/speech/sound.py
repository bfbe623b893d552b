"""A recording as models take it: mono, 16 kHz, floats of one loudness. The same for training, batches and live requests.

bytes of a file --libsndfile--> channels averaged --resampled--> LUFS brought to TARGET --> samples
samples --> 16-bit WAV bytes, which the next stage reads in the same way
"""

from __future__ import annotations

import io
import math

import numpy as np
import numpy.typing as npt

from tidegate.errors import InvalidRequest
from tidegate.metrics.descriptors.loudness import integrated

Samples = npt.NDArray[np.float32]

RATE = 16000
TARGET = -23.0
"""LUFS, as EBU R 128 asks of broadcasters."""
LONGEST = 600.0
"""Seconds of one recording; longer ones are refused before they are read."""
PEAK = 0.99


def read(data: bytes) -> Samples:
    """Mono samples at 16 kHz, as loud as they are. Errors: InvalidRequest saying what is wrong with the recording."""
    import soundfile
    from scipy.signal import resample_poly

    if not data:
        raise InvalidRequest("audio: the recording is empty")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            seconds = file.frames / file.samplerate
            if seconds > LONGEST:
                raise InvalidRequest(f"audio: {seconds / 60:.0f} minutes; send at most {LONGEST / 60:.0f}, in parts")
            samples = file.read(dtype="float32", always_2d=True)
            rate = file.samplerate
    except soundfile.SoundFileError as exc:
        raise InvalidRequest("audio: this is no recording that can be read; send a WAV, FLAC or Ogg file") from exc
    mono = samples.mean(axis=1)
    if not len(mono):
        raise InvalidRequest("audio: the recording is empty")
    if not np.isfinite(mono).all():
        raise InvalidRequest("audio: the recording has samples that are no numbers")
    if rate != RATE:
        shared = math.gcd(rate, RATE)
        mono = resample_poly(mono, RATE // shared, rate // shared).astype(np.float32)
    return np.asarray(mono, np.float32)


def normalised(samples: Samples) -> Samples:
    """As loud as TARGET, its peaks below full scale; silence stays silence.

    >>> t = np.arange(RATE, dtype=np.float32) / RATE
    >>> quiet = (0.01 * np.sin(2 * np.pi * 997 * t)).astype(np.float32)
    >>> round(integrated(normalised(quiet).astype(np.float64), RATE), 1)
    -23.0
    """
    loudness = integrated(samples.astype(np.float64), RATE)
    if not math.isfinite(loudness):
        return samples
    gain = 10.0 ** ((TARGET - loudness) / 20.0)
    peak = float(np.abs(samples).max())
    return np.asarray(samples * min(gain, PEAK / peak), np.float32)


def wav(samples: Samples) -> bytes:
    """A 16-bit WAV file."""
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, np.clip(samples, -1.0, 1.0), RATE, format="WAV", subtype="PCM_16")
    return out.getvalue()
