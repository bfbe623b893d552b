"""What the speech demo does to a recording before a model hears it, and how it judges what was written down."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tidegate.config import parse_project
from tidegate.demo.speech import project
from tidegate.demo.speech.acts import asked
from tidegate.demo.speech.clips import CONDITIONS, READ, SNR, Clip, heard, telephone
from tidegate.demo.speech.models import AFTER, BEFORE, PAUSE, WINDOW, Asr, Segmenter, Vad, tokens
from tidegate.demo.speech.older import REQUIREMENTS, PocketSphinx, WebRtc
from tidegate.demo.speech.sound import LONGEST, MOST, RATE, TARGET, normalised, read, wav
from tidegate.errors import InvalidRequest
from tidegate.metrics.descriptors.loudness import integrated
from tidegate.runtimes.typed import read_annotations
from tidegate.types.inference import TensorSpec

TONE = (0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE * 2) / RATE)).astype(np.float32)


def header(frames: int) -> bytes:
    """A WAV file that says it has so many samples, and has 16."""
    whole = bytearray(file(np.zeros(16, np.float32)))
    whole[40:44] = (2 * frames).to_bytes(4, "little")
    return bytes(whole)


def file(samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16", kind: str = "WAV") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, subtype=subtype, format=kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (file(TONE), 2.0),
        (file(TONE, subtype="PCM_U8"), 2.0),
        (file(np.stack([TONE] * 3, axis=1), kind="FLAC"), 2.0),
        (file(TONE, rate=44100), 2.0 * RATE / 44100),
        (file(TONE, rate=8000, kind="OGG", subtype="VORBIS"), 4.0),
        (base64.b64encode(file(TONE)), 2.0),
    ],
    ids=["wav", "8 bits", "3 channels", "44.1 kHz", "ogg", "base64"],
)
def test_recordings_of_any_kind_become_mono_at_16_khz(data: bytes, seconds: float) -> None:
    found = read(data)
    assert found.dtype == np.float32 and found.ndim == 1
    assert len(found) / RATE == pytest.approx(seconds, abs=1e-3)
    assert float(np.sqrt(np.mean(found**2))) == pytest.approx(0.1 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"not audio at all", "no recording that can be read"),
        (file(TONE)[:30], "no recording|is empty"),
        (file(np.zeros(0, np.float32)), "is empty"),
        (
            file(np.zeros(int(4000 * (LONGEST + 6)), np.float32), rate=4000, subtype="PCM_U8"),
            "10.1 minutes; send at most 10",
        ),
        (file(np.zeros((10, 1), np.float32), rate=100), "audio: 100 samples a second; send 4,000 to 192,000"),
        (file(np.zeros((10, 1), np.float32), rate=2_000_000_011), "samples a second; send 4,000 to 192,000"),
        (file(np.full(10, np.nan, np.float32), subtype="FLOAT"), "no numbers"),
    ],
    ids=["empty", "no audio", "cut off", "no samples", "long", "few a second", "many a second", "NaN"],
)
def test_what_is_no_recording_is_refused_in_words(data: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        read(data)


def test_a_header_that_promises_two_hours_gets_what_is_there() -> None:
    assert len(read(header(7200 * RATE))) == 16


def test_raw_samples_need_their_rate_and_are_what_a_file_of_them_is() -> None:
    data = file(TONE)[44:]  # without the header
    np.testing.assert_array_equal(read(data, rate=RATE), read(file(TONE)))
    np.testing.assert_array_equal(read(b"data:;base64," + base64.b64encode(data), rate=RATE), read(file(TONE)))
    assert len(read(data, rate=2 * RATE)) == len(TONE) // 2
    for wrong, rate, said in (
        (data[:-1], RATE, "two for each sample"),
        (data, 10, "rate: 10 samples a second"),
        (data, -RATE, "rate: -16,000 samples a second"),
        (bytes(2 * (MOST + 1)), 192_000, "send at most 2.5, in parts"),
        (b"", RATE, "is empty"),
    ):
        with pytest.raises(InvalidRequest, match=said):
            read(wrong, rate=rate)


@pytest.mark.parametrize("gain", [0.01, 0.1, 9.0])
def test_loud_and_quiet_recordings_are_equally_loud(gain: float) -> None:
    found = normalised(TONE * np.float32(gain))
    assert integrated(found.astype(np.float64), RATE) == pytest.approx(TARGET, abs=0.1)
    assert not normalised(np.zeros(RATE, np.float32)).any(), "silence stays silence"
    again = read(wav(found))
    np.testing.assert_allclose(again, found, atol=1 / 2**14)


def test_noise_is_as_loud_as_is_said_and_the_same_each_time() -> None:
    rng = np.random.default_rng(0)
    clear, people = (
        (rng.standard_normal(RATE * 2) * 0.05).astype(np.float32),
        (rng.standard_normal(RATE) * 0.05).astype(np.float32),
    )
    for condition in CONDITIONS:
        found = heard(clear, condition, 3, people)
        np.testing.assert_array_equal(found, heard(clear, condition, 3, people))
        assert len(found) == len(clear) and np.abs(found).max() <= 1.0
    noise = heard(clear, "car noise", 3, people) - clear
    ratio = 10 * np.log10(np.mean(clear.astype(float) ** 2) / np.mean(noise.astype(float) ** 2))
    assert ratio == pytest.approx(SNR, abs=0.2)
    spectrum = np.abs(np.fft.rfft(telephone(clear)))
    hertz = np.fft.rfftfreq(len(clear), 1 / RATE)
    assert spectrum[hertz > 4200].mean() < 0.05 * spectrum[(hertz > 400) & (hertz < 3000)].mean()


def test_segments_begin_before_and_end_after_what_is_said() -> None:
    vad = Vad("nowhere", threshold=0.5)
    quiet, said = [0.0], [0.9]
    chances = quiet * 20 + said * 10 + quiet * 5 + said * 10 + quiet * 30 + said * 4
    length = len(chances) * WINDOW
    first, second = vad.spans(chances, length)
    assert first == ((20 - BEFORE) * WINDOW, (44 + AFTER) * WINDOW), "a short pause ends nothing"
    assert second == ((75 - BEFORE) * WINDOW, length)
    assert vad.spans(quiet * 50, 50 * WINDOW) == [] and PAUSE > AFTER


def test_tokens_longer_than_127_bytes_have_two_bytes_of_length() -> None:
    long = b"x" * 300
    assert tokens(bytes([2]) + b"ab" + bytes([128 + 300 % 128, 300 // 128]) + long + bytes([0])) == [b"ab", long, b""]


def test_the_older_and_the_newer_models_have_the_same_two_contracts(tmp_path: Path) -> None:
    found = [
        read_annotations(one.predict, "a model") for one in (Vad("nowhere"), WebRtc(), Asr("nowhere"), PocketSphinx())
    ]
    assert found[0] == found[1] and found[2] == found[3]
    assert found[0].inputs == [
        TensorSpec("audio", "BYTES", [1], content="bytes"),
        TensorSpec("rate", "INT64", [1], optional=True),
        TensorSpec("condition", "BYTES", [1], optional=True),
    ]
    (tmp_path / "older.txt").write_text(REQUIREMENTS)
    made = parse_project(project.text(tmp_path, tmp_path / "older.txt"))
    assert [stage.stage for stage in made.endpoints["transcribe"].pipeline] == ["vad", "asr", "transcript"]
    assert made.endpoints["transcribe"].monitoring.profiles.segments == ["condition"]
    assert len(READ) == 9 and all(end > start for start, end, _ in READ)


class Heard(Segmenter):
    """Takes what is louder than a hundredth for speech."""

    def chances(self, samples: np.ndarray) -> list[float]:  # type: ignore[type-arg]
        return [
            float(np.abs(samples[at : at + WINDOW]).max() > 0.01) for at in range(0, len(samples) - WINDOW + 1, WINDOW)
        ]


def test_a_detector_gives_on_what_it_normalised_and_when_it_was_said() -> None:
    quiet, silence = TONE * np.float32(0.1), np.zeros(RATE, np.float32)
    sent = np.concatenate([silence, quiet, silence, quiet, silence])
    given = asked(Clip("clip 1", "car noise", sent, ""))
    assert given["condition"].tolist() == ["car noise"]
    found = Heard().predict(**given)
    np.testing.assert_allclose(found["start"], [1.0, 4.0], atol=BEFORE * WINDOW / RATE + 0.04)
    np.testing.assert_allclose(found["end"] - found["start"], found["length"])
    whole = normalised(read(wav(sent)))
    for segment, start in zip(found["segment"], found["start"], strict=True):
        part = read(bytes(segment))
        at = round(float(start) * RATE)
        np.testing.assert_allclose(part, whole[at : at + len(part)], atol=1 / 2**14)
    raw = np.array([wav(sent)[44:]], object)
    again = Heard().predict(raw, np.array([RATE]))
    assert [bytes(one) for one in again["segment"]] == [bytes(one) for one in found["segment"]], (
        "raw PCM is the same sound"
    )
