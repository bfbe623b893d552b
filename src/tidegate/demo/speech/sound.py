"""A recording as models take it: mono, 16 kHz, floats of one loudness. The same for training, batches and live requests.

bytes of a file (or base64 of them) --libsndfile--> channels averaged --resampled--> LUFS brought to TARGET --> samples
raw 16-bit PCM, its rate ------------------------------^
samples --> 16-bit WAV bytes, which the next stage reads in the same way

Memory stays bounded whatever a header says: length and rate are judged before samples are read, and channels are averaged piece by piece.
"""

from __future__ import annotations

import io
import math

import numpy as np
import numpy.typing as npt

from tidegate.errors import InvalidRequest
from tidegate.metrics.descriptors.loudness import integrated
from tidegate.metrics.descriptors.payloads import content

Samples = npt.NDArray[np.float32]

RATE = 16000
TARGET = -23.0
"""LUFS, as EBU R 128 asks of broadcasters."""
RATES = (4000, 192_000)
"""Samples a second that are taken: a telephone's half, and a studio's."""
LONGEST = 600.0
"""Seconds of one recording; longer ones are refused before they are read."""
MOST = int(LONGEST * 48_000)
"""Samples of one channel: ten minutes at 48 kHz."""
PEAK = 0.99


def read(data: bytes, rate: int = 0) -> Samples:
    """Mono samples at 16 kHz, as loud as they are. In JSON bytes travel as base64: of a file as it is, of PCM as a `data:;base64,` URI.

    `rate`: samples a second of raw PCM (16 bits, little-endian, one channel); a file says its own. Errors: InvalidRequest saying what
    is wrong with the recording.

    >>> read(bytes(16), rate=RATE).shape
    (8,)
    """
    from scipy.signal import resample_poly

    if data.isascii():
        found = content(data.decode())
        data = data if found is None else found
    if not data:
        raise InvalidRequest("audio: the recording is empty")
    mono, rate = (_pcm(data, rate), rate) if rate else _file(data)
    if not len(mono):
        raise InvalidRequest("audio: the recording is empty")
    if not np.isfinite(mono).all():
        raise InvalidRequest("audio: the recording has samples that are no numbers")
    if rate != RATE:
        shared = math.gcd(rate, RATE)
        mono = resample_poly(mono, RATE // shared, rate // shared).astype(np.float32)
    return np.asarray(mono, np.float32)


def _pcm(data: bytes, rate: int) -> Samples:
    _measured(len(data) // 2, rate, "rate")
    if len(data) % 2:
        raise InvalidRequest(f"audio: {len(data)} bytes; raw PCM has two for each sample")
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(2**15)


def _file(data: bytes) -> tuple[Samples, int]:
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            _measured(file.frames, file.samplerate, "audio")
            pieces = [piece.mean(axis=1) for piece in file.blocks(file.samplerate, dtype="float32", always_2d=True)]
            return np.concatenate(pieces) if pieces else np.zeros(0, np.float32), int(file.samplerate)
    except soundfile.SoundFileError as exc:
        raise InvalidRequest(
            "audio: this is no recording that can be read; send a WAV, FLAC or Ogg file, or raw PCM with its `rate`"
        ) from exc


def _measured(frames: int, rate: int, field: str) -> None:
    low, high = RATES
    if not low <= rate <= high:
        raise InvalidRequest(f"{field}: {rate:,} samples a second; send {low:,} to {high:,}")
    if frames > min(LONGEST * rate, MOST):
        most = min(LONGEST, MOST / rate)
        raise InvalidRequest(f"audio: {frames / rate / 60:.3g} minutes; send at most {most / 60:.3g}, in parts")


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
