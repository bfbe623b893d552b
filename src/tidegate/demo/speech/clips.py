"""Recordings of somebody who reads, with what is read, and the conditions under which they reach us.

    two wheels --> models, recordings --> the beginning of "A Tale of Two Cities" in nine clips --> each clear, in a car,
                                                                                      among people, over a telephone line

Charles Dickens, 1859, is in the public domain; the recordings and both models (MIT) are published in the packages moonshine-voice and
silero-vad. Noise is made here, with a seed: the same every time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tidegate.demo.speech.sound import RATE, Samples, normalised, read
from tidegate.demo.wheels import Wheel, members
from tidegate.storage.layout import write_atomic

MOONSHINE = Wheel(
    "moonshine-voice", "0.0.73", "moonshine_voice-0.0.73-py3-none-manylinux_2_34_x86_64.whl",
    "6461c8097ed78d054c46b4c821143008a07b5fa1f4169674493ccfa06c1407db", "the recogniser and recordings (56 MB)",
)  # fmt: skip
SILERO = Wheel(
    "silero-vad", "6.2.3", "silero_vad-6.2.3-py3-none-any.whl",
    "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8", "the voice detector (11 MB)",
)  # fmt: skip
FILES = {
    "moonshine_voice/assets/tiny-en/encoder_model.ort": MOONSHINE,
    "moonshine_voice/assets/tiny-en/decoder_model_merged.ort": MOONSHINE,
    "moonshine_voice/assets/tiny-en/tokenizer.bin": MOONSHINE,
    "moonshine_voice/assets/two_cities.wav": MOONSHINE,
    "moonshine_voice/assets/endgame_nagg_nell.wav": MOONSHINE,
    "silero_vad/data/silero_vad_16k_op15.onnx": SILERO,
}

READ = (
    (0.0, 8.55, "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness"),
    (8.55, 10.6, "it was the epoch of belief"),
    (10.6, 13.2, "it was the epoch of incredulity"),
    (13.2, 17.35, "it was the season of light it was the season of darkness"),
    (17.35, 20.95, "it was the spring of hope it was the winter of despair"),
    (20.95, 24.4, "we had everything before us we had nothing before us"),
    (24.4, 26.4, "we were all going direct to heaven"),
    (26.4, 28.75, "we were all going direct the other way"),
    (28.75, 42.3, "in short the period was so far like the present period that some of its noisiest authorities insisted on its "
     "being received for good or for evil in the superlative degree of comparison only"),
)  # fmt: skip
"""From, to (seconds of two_cities.wav), and the words."""
CONDITIONS = ("clear", "car noise", "people noise", "low bandwidth")
SNR = 5.0
"""dB of speech over noise."""


class Clip(NamedTuple):
    """One recording as a caller sends it, and what is said in it."""

    name: str
    condition: str
    samples: Samples
    words: str


def fetch(folder: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """The folder with models and recordings; downloaded the first time. Errors: StateError when they can't be had."""
    target = folder / "speech"
    target.mkdir(parents=True, exist_ok=True)
    for wheel in (MOONSHINE, SILERO):
        wanted = [member for member, source in FILES.items() if source is wheel]
        if all((target / Path(member).name).is_file() for member in wanted):
            continue
        for member, data in members(wheel, wanted, folder, say).items():
            write_atomic(target / Path(member).name, data)
    return target


def clips(folder: Path) -> list[Clip]:
    """All of them: each of the nine under each of CONDITIONS."""
    whole = normalised(read((folder / "two_cities.wav").read_bytes()))
    people = normalised(read((folder / "endgame_nagg_nell.wav").read_bytes()))
    found = []
    for number, (start, end, words) in enumerate(READ):
        clear = whole[int(start * RATE) : int(end * RATE)]
        for condition in CONDITIONS:
            found.append(Clip(f"clip {number + 1}", condition, heard(clear, condition, number, people), words))
    return found


def heard(clear: Samples, condition: str, seed: int, people: Samples) -> Samples:
    """The clip as it arrives. `people` is what others say meanwhile."""
    if condition == "clear":
        return clear
    rng = np.random.default_rng(seed)
    if condition == "low bandwidth":
        return telephone(clear)
    if condition == "car noise":  # power falls with the frequency
        shape = np.fft.rfft(rng.standard_normal(len(clear)))
        noise = np.fft.irfft(shape / np.sqrt(np.maximum(1.0, np.arange(len(shape)))), len(clear))
    else:
        starts = rng.integers(0, len(people), 5)
        noise = np.mean([np.resize(np.roll(people, start), len(clear)) for start in starts], axis=0)
    power = float(np.sqrt(np.mean(clear.astype(np.float64) ** 2)))
    noisy = clear + noise / noise.std() * power / 10 ** (SNR / 20)
    return np.asarray(noisy * min(1.0, 0.95 / float(np.abs(noisy).max())), np.float32)


def telephone(clear: Samples) -> Samples:
    """300 to 3400 Hz, 8,000 samples a second, 8 bits on a logarithmic scale (mu-law, ITU-T G.711)."""
    from scipy.signal import butter, resample_poly, sosfiltfilt

    band = sosfiltfilt(butter(4, (300, 3400), "bandpass", fs=RATE, output="sos"), clear)
    narrow = np.clip(resample_poly(band, 1, 2), -1.0, 1.0)
    pressed = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    steps = np.round(pressed * 127) / 127
    opened = np.sign(steps) * np.expm1(np.abs(steps) * np.log(256)) / 255
    return np.asarray(resample_poly(opened, 2, 1)[: len(clear)], np.float32)
