"""What was there before: WebRTC's voice detector (2011) and PocketSphinx (CMU, 2006), under the same two contracts.

They need packages of their own, so their versions have an `environment`: REQUIREMENTS. The newer models never meet them.
"""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegate.demo.speech.models import WINDOW, Segmenter, Texts
from tidegate.demo.speech.sound import RATE, Samples

REQUIREMENTS = """pocketsphinx==5.1.1
webrtcvad-wheels==2.0.14.post1
scipy>=1.13,<2
soundfile>=0.12,<1
"""
FRAME = 480
"""Samples of the 30 ms that WebRTC's detector takes: those of each WINDOW but its last 2 ms."""


class WebRtc(Segmenter):
    """`aggressiveness`, 0 to 3: how readily it takes a sound for noise. It says yes or no."""

    def __init__(self, aggressiveness: int = 2) -> None:
        super().__init__()
        self._aggressiveness = aggressiveness

    def load(self) -> None:
        import webrtcvad

        self._detector = webrtcvad.Vad(self._aggressiveness)

    def chances(self, samples: Samples) -> list[float]:
        pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
        starts = range(0, len(pcm) - WINDOW + 1, WINDOW)
        return [float(self._detector.is_speech(pcm[at : at + FRAME].tobytes(), RATE)) for at in starts]


class PocketSphinx:
    """Its general language model, with fewer hypotheses than by default: noise would take it longer than the recording lasts."""

    def load(self) -> None:
        from pocketsphinx import Decoder

        self._decoder: Any = Decoder(samprate=RATE, loglevel="FATAL", maxhmmpf=3000, maxwpf=5)

    def predict(self, segment: NDArray[np.bytes_]) -> Texts:
        said = [self.transcribe(bytes(one)) for one in segment.tolist()]
        texts = np.empty(len(said), object)
        texts[:] = [text for text, _ in said]
        return {"text": texts, "confidence": np.array([sure for _, sure in said], np.float32)}

    def transcribe(self, segment: bytes) -> tuple[str, float]:
        """What is said, and how sure that is: the geometric mean of its words' probabilities."""
        with wave.open(io.BytesIO(segment)) as file:
            pcm = file.readframes(file.getnframes())
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        if found is None or not found.hypstr:
            return "", 0.0
        chances = [word.prob for word in self._decoder.seg()]
        return found.hypstr, float(self._decoder.logmath.exp(sum(chances) / len(chances)))
