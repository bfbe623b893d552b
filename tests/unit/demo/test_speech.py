"""What the speech demo does to a recording before a model hears it, and how it judges what was written down."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.support.journal_maker import START, label, prediction, route, tensor, write

from tidegate.config import parse_project
from tidegate.demo.speech.cli import project
from tidegate.demo.speech.clips import CONDITIONS, READ, SNR, Clip, heard, telephone
from tidegate.demo.speech.judge import judge, words
from tidegate.demo.speech.models import AFTER, BEFORE, PAUSE, WINDOW, Vad, tokens
from tidegate.demo.speech.sound import LONGEST, RATE, TARGET, normalised, read, wav
from tidegate.errors import InvalidRequest
from tidegate.metrics.descriptors.loudness import integrated
from tidegate.runtimes.typed import read_annotations
from tidegate.storage.layout import Layout
from tidegate.types.inference import Signature, TensorSpec

TONE = (0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE * 2) / RATE)).astype(np.float32)


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
    ],
    ids=["wav", "8 bits", "3 channels", "44.1 kHz", "ogg"],
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
        (file(np.zeros(int(100 * (LONGEST + 1))), rate=100), "minutes; send at most 10"),
    ],
)
def test_what_is_no_recording_is_refused_in_words(data: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        read(data)


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


def test_the_models_say_what_they_take(tmp_path: Path) -> None:
    found = read_annotations(Vad("nowhere").predict, "Vad")
    assert found.inputs == [TensorSpec("audio", "BYTES", [1], content="bytes")]
    pipeline = parse_project(project(tmp_path)).endpoints["transcribe"].pipeline
    assert [stage.stage for stage in pipeline] == ["vad", "asr", "transcript"]
    assert len(READ) == 9 and all(end > start for start, end, _ in READ)


def test_word_errors_are_counted_over_all_words_of_a_condition(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".tidegate")
    names = {"text": "BYTES", "confidence": "FP64", "seconds": "FP64", "segments": "INT64"}
    signature = Signature(
        [TensorSpec("audio", "BYTES", [1])], [TensorSpec(name, kind, [-1]) for name, kind in names.items()]
    )  # type: ignore[arg-type]
    route(layout, {("m", "1"): signature})

    def answer(id: str, text: str, confidence: float | None) -> object:
        outputs = [tensor("text", "BYTES", [1], [text]), tensor("confidence", "FP64", [1], [confidence]),
                   tensor("seconds", "FP64", [1], [2.0]), tensor("segments", "INT64", [1], [1])]  # fmt: skip
        return prediction([tensor("audio", "BYTES", [1], ["x"])], outputs, id=id, time=START)

    write(layout, [
        answer("a", "It was the best of times.", 0.9), answer("b", "", None), answer("c", "Unasked for", 0.9),
        label("a", "it was the worst of times"), label("b", "four more words here"),
    ])  # fmt: skip
    clip = Clip("clip 1", "clear", TONE, "")
    lines = judge(layout, "loan", {"a": clip, "b": clip})
    assert [line.clips for line in lines] == [2, 0, 0, 0]
    assert (lines[0].words, lines[0].wer, lines[0].empty, lines[0].confidence) == (10, pytest.approx(0.5), 1, 0.9)
    assert words("It's a well-known thing, isn't it?") == ["it's", "a", "well", "known", "thing", "isn't", "it"]
