"""Recordings: loudness against the recommendation's coefficients and pyloudnorm; silence, clipping, noise by construction."""

import base64
import io
import math
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidegate.metrics.descriptors.audio import Audio, Clip, signal_to_noise
from tidegate.metrics.descriptors.dispatch import describe
from tidegate.metrics.descriptors.loudness import integrated, k_weighting
from tidegate.storage.log.describe import Payload

RATE = 16000


def tone(seconds: float, rate: int = RATE, hertz: float = 440.0, level: float = 0.5) -> Any:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def bursts(noise: float, seconds: float = 6.0) -> Any:
    """Half-second tones with half-second pauses, in white noise of this standard deviation."""
    sound = tone(seconds) * (np.arange(round(seconds * RATE)) // (RATE // 2) % 2)
    return sound + np.random.default_rng(1).normal(0, noise, len(sound))


def wav(samples: Any, rate: int = RATE) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def one(value: Any) -> dict[str, Any]:
    return {name: values[0] for name, values in Audio().describe([value]).items()}


def test_the_filters_at_48_khz_are_those_of_the_recommendation() -> None:
    """ITU-R BS.1770-4, tables 1 and 2."""
    (b1, a1), (b2, a2) = k_weighting(48000)
    assert b1 == pytest.approx([1.53512485958697, -2.69169618940638, 1.19839281085285], abs=1e-7)
    assert a1 == pytest.approx([1.0, -1.69065929318241, 0.73248077421585], abs=1e-7)
    assert b2 == [1.0, -2.0, 1.0]
    assert a2 == pytest.approx([1.0, -1.99004745483398, 0.99007225036621], abs=1e-7)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_loudness_is_pyloudnorms(rate: int, channels: int) -> None:
    pyloudnorm = pytest.importorskip("pyloudnorm")
    rng = np.random.default_rng(rate)
    envelope = np.repeat(
        10 ** rng.uniform(-4, 0, 50), rate // 5
    )  # 10 s: loud, quiet and nearly silent, so that both gates work
    sound = rng.normal(0, 0.2, (len(envelope), channels)) * envelope[:, None]
    assert integrated(sound, rate) == pytest.approx(
        pyloudnorm.Meter(rate, "DeMan").integrated_loudness(sound), abs=0.02
    )


def test_silence_has_no_loudness() -> None:
    assert integrated(np.zeros(RATE), RATE) == -math.inf
    assert one(Clip(np.zeros(RATE), RATE))["loudness"] == -70.0


def test_the_same_sound_twice_as_loud_is_6_lu_more() -> None:
    quiet, loud = (one(wav(tone(2.0, level=level)))["loudness"] for level in (0.2, 0.4))
    assert loud - quiet == pytest.approx(20 * math.log10(2), abs=0.01)


def test_silence_before_and_after() -> None:
    found = one(wav(np.concatenate([np.zeros(RATE), tone(1.0), np.zeros(RATE // 2)])))
    assert found["duration"] == 2.5
    assert found["leading_silence"] == pytest.approx(1.0, abs=0.011)
    assert found["trailing_silence"] == pytest.approx(0.5, abs=0.011)


def test_clipping_is_a_share() -> None:
    assert one(Clip(tone(1.0), RATE))["clipping"] == 0.0
    share = np.mean(np.abs(tone(1.0, level=1.25)) >= 0.999)
    assert share > 0.3 and one(wav(tone(1.0, level=1.25)))["clipping"] == pytest.approx(share, abs=0.001)


@pytest.mark.parametrize("noise", [0.003, 0.01, 0.03, 0.1])
def test_signal_to_noise_where_there_are_pauses(noise: float) -> None:
    true = 10 * math.log10((0.5**2 / 2) / noise**2)
    assert signal_to_noise(bursts(noise), RATE) == pytest.approx(true, abs=1.5)


def test_noise_alone_and_short_clips() -> None:
    only = signal_to_noise(np.random.default_rng(0).normal(0, 0.1, RATE * 3), RATE)
    assert only is not None and only < 5
    assert signal_to_noise(tone(0.3), RATE) is None and signal_to_noise(np.zeros(RATE), RATE) is None


def test_wav_flac_pcm_and_base64_say_the_same() -> None:
    soundfile = pytest.importorskip("soundfile")
    sound = bursts(0.01)
    flac = io.BytesIO()
    soundfile.write(flac, sound, RATE, format="FLAC")
    pcm = Clip((sound * 32767).astype(np.int16), RATE)
    plain = one(wav(sound))
    for value in (flac.getvalue(), pcm, base64.b64encode(wav(sound)).decode()):
        found = one(value)
        assert found["duration"] == plain["duration"] and found["unreadable"] is False
        assert found["loudness"] == pytest.approx(plain["loudness"], abs=0.01)
        assert found["snr"] == pytest.approx(plain["snr"], abs=0.1)


def test_files_of_another_package() -> None:
    """scipy's own: many sample formats, some cut off on purpose."""
    pytest.importorskip("soundfile")
    scipy_io = pytest.importorskip("scipy.io")
    files = sorted((Path(scipy_io.__file__).parent / "tests" / "data").glob("*.wav"))
    if not files:
        pytest.skip("scipy is installed without its test files")
    found = Audio().describe([file.read_bytes() for file in files])
    readable = [i for i, bad in enumerate(found["unreadable"]) if not bad]
    assert len(readable) >= 10
    tones = [i for i in readable if "44100Hz-2ch-32bit-float-le" in files[i].name]
    assert tones and all(found["duration"][i] == pytest.approx(0.01, abs=0.005) for i in tones)


def test_a_broken_file_is_counted_and_stops_nothing() -> None:
    pytest.importorskip("soundfile")
    whole = wav(tone(1.0))
    found = Audio().describe([whole, b"RIFF\x10\0\0\0WAVEjunk", b"fLaC", "a text", None])
    assert found["unreadable"] == [False, True, True, True, None]


def test_infinite_and_empty_pcm_raise_nothing() -> None:
    assert one(Clip(np.array([np.nan, np.inf, -np.inf] * 4000), RATE))["clipping"] == pytest.approx(2 / 3)
    assert one(Clip(np.zeros(0), RATE))["loudness"] is None


def test_pcm_is_sound_where_the_rate_is_known() -> None:
    rows = np.stack([tone(1.0), tone(1.0, level=0.1)]).astype(np.float32)
    assert set(describe(Payload("input", "audio", rows, rate=RATE))) == set(Audio.names)
    assert "norm" in describe(Payload("input", "audio", rows))
