"""The two models, as a user writes them: Silero finds where somebody speaks, Moonshine writes down what is said.

    Vad   audio BYTES [1], rate INT64 [1] (of raw PCM), condition BYTES [1] (a column to tell results apart by)
                             -> segment BYTES [n], start, end, length FP32 [n] seconds      0 to n of each
    Asr   segment BYTES [n]  -> text BYTES [n], confidence FP32 [n]                 the mean probability of its words, 0 to 1

Both run on ONNX Runtime alone. Silero keeps a state from window to window: 32 ms, with 4 ms of the window before in front of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from tidegate.demo.speech.sound import RATE, Samples, normalised, read, wav

WINDOW, CONTEXT = 512, 64
BEFORE, AFTER = 3, 6
"""Windows kept around what is said."""
PAUSE = 12
"""Windows of silence that end a segment."""
MOST = 300
"""Windows of one segment (9.6 s): the recogniser has learned no longer ones."""
WORDS_A_SECOND = 6.5
START, STOP = 1, 2
FILE = np.zeros(1, np.int64)
UNTOLD = np.array([""])


class Segments(TypedDict):
    """Of one recording."""

    segment: Annotated[NDArray[np.bytes_], (-1,)]
    start: Annotated[NDArray[np.float32], (-1,)]
    end: Annotated[NDArray[np.float32], (-1,)]
    length: Annotated[NDArray[np.float32], (-1,)]


class Texts(TypedDict):
    """A row a segment."""

    text: NDArray[np.str_]
    confidence: NDArray[np.float32]


class Segmenter(ABC):
    """A recording -> what is said in it, cut at pauses. Who extends it tells how likely somebody speaks."""

    def __init__(self, threshold: float = 0.5) -> None:
        self._on, self._off = threshold, threshold - 0.15

    def predict(
        self,
        audio: Annotated[NDArray[np.bytes_], (1,)],
        rate: Annotated[NDArray[np.int64], (1,)] = FILE,
        condition: Annotated[NDArray[np.str_], (1,)] = UNTOLD,
    ) -> Segments:
        """`condition` changes nothing here: it is in the log, and so a column to tell quality by."""
        samples = normalised(read(bytes(audio[0]), int(rate[0])))
        spans = self.spans(self.chances(samples), len(samples))
        parts = np.empty(len(spans), object)
        parts[:] = [wav(samples[start:end]) for start, end in spans]
        start, end = (np.array([span[side] / RATE for span in spans], np.float32) for side in (0, 1))
        return {"segment": parts, "start": start, "end": end, "length": end - start}

    @abstractmethod
    def chances(self, samples: Samples) -> list[float]:
        """How likely somebody speaks, 0 to 1, for each WINDOW of samples."""

    def spans(self, chances: list[float], length: int) -> list[tuple[int, int]]:
        """Where segments begin and end, in samples."""
        found: list[tuple[int, int]] = []
        since, quiet = -1, 0
        for place, chance in enumerate(chances):
            if since < 0:
                if chance > self._on:
                    since, quiet = max(0, place - BEFORE), 0
                continue
            quiet = quiet + 1 if chance < self._off else 0
            if quiet >= PAUSE or place - since > MOST:
                found.append((since * WINDOW, min((place - quiet + AFTER) * WINDOW, length)))
                since = -1
        return [*found, (since * WINDOW, length)] if since >= 0 else found


class Vad(Segmenter):
    """`threshold`: how sure it must be that somebody speaks; what is quieter than it is lost."""

    def __init__(self, folder: str, threshold: float = 0.5) -> None:
        super().__init__(threshold)
        self._file = Path(folder) / "silero_vad_16k_op15.onnx"

    def load(self) -> None:
        self._session = session(self._file)

    def chances(self, samples: Samples) -> list[float]:
        state, before, found = np.zeros((2, 1, 128), np.float32), np.zeros((1, CONTEXT), np.float32), []
        for at in range(0, len(samples) - WINDOW + 1, WINDOW):
            window = np.concatenate([before, samples[None, at : at + WINDOW]], axis=1)
            chance, state = self._session.run(None, {"input": window, "state": state, "sr": np.array(RATE, np.int64)})
            before = window[:, -CONTEXT:]
            found.append(float(chance[0, 0]))
        return found


class Asr:
    """Greedy decoding, a segment after the other; the longest first would gain nothing on one core."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def load(self) -> None:
        self._encoder = session(self._folder / "encoder_model.ort")
        self._decoder = session(self._folder / "decoder_model_merged.ort")
        self._tokens = tokens((self._folder / "tokenizer.bin").read_bytes())
        self._wanted = [each.name for each in self._decoder.get_inputs()]
        self._given = [each.name for each in self._decoder.get_outputs()]
        self._past = [name for name in self._wanted if name.startswith("past")]

    def predict(self, segment: NDArray[np.bytes_]) -> Texts:
        said = [self.transcribe(read(bytes(one))) for one in segment.tolist()]
        texts = np.empty(len(said), object)
        texts[:] = [text for text, _ in said]
        return {"text": texts, "confidence": np.array([sure for _, sure in said], np.float32)}

    def transcribe(self, samples: Samples) -> tuple[str, float]:
        """What is said, and how sure that is: the geometric mean of its tokens' probabilities."""
        sound = samples[None]
        mask = np.ones(sound.shape, np.int64)
        heard = self._encoder.run(None, {"input_values": sound, "attention_mask": mask})[0]
        past = {name: np.zeros((1, 8, 0, 36), np.float32) for name in self._past}
        ids, current, cached, chances = list[int](), np.array([[START]], np.int64), False, list[float]()
        for _ in range(max(4, int(len(samples) / RATE * WORDS_A_SECOND) + 2)):
            feed: dict[str, Any] = {
                "encoder_attention_mask": mask, "input_ids": current, "encoder_hidden_states": heard,
                "use_cache_branch": np.array([cached]), **past,
            }  # fmt: skip
            made = dict(
                zip(self._given, self._decoder.run(None, {name: feed[name] for name in self._wanted}), strict=True)
            )
            scores = made["logits"][0, -1]
            best = int(scores.argmax())
            chances.append(-float(np.log(np.exp(scores - scores.max()).sum())))
            for name in self._past:
                if not (cached and "encoder" in name):
                    past[name] = made["present" + name.removeprefix("past_key_values")]
            cached = True
            if best == STOP:
                break
            ids.append(best)
            current = np.array([[best]], np.int64)
        text = b"".join(self._tokens[one] for one in ids).decode("utf-8", "replace").replace("\u2581", " ").strip()
        return text, float(np.exp(np.mean(chances)))


def session(path: Path) -> Any:
    """An ONNX Runtime session on one thread: a runner has as many replicas as the project gives it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def tokens(data: bytes) -> list[bytes]:
    """Of tokenizer.bin: each a length (one byte, or two of seven bits from 128 on) and its text."""
    found, at = list[bytes](), 0
    while at < len(data):
        size = data[at]
        at += 1
        if size >= 128:
            size = size - 128 + data[at] * 128
            at += 1
        found.append(data[at : at + size])
        at += size
    return found
