"""A project whose models ask people about pictures, recordings and texts; and requests of each kind."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import soundfile
from PIL import Image, ImageDraw, ImageFilter

from tests.support.system import WITH_CONTROL

MODELS = '''
from typing import Annotated, TypedDict
import numpy as np
from numpy.typing import NDArray

class Seen(TypedDict):
    label: NDArray[np.str_]
    confidence: NDArray[np.float32]
    heat: Annotated[NDArray[np.float32], (-1, 12, 12)]

class Pictures:
    """Looks at the middle, whatever is there."""
    def predict(self, image: NDArray[np.bytes_]) -> Seen:
        n = len(image)
        y, x = np.mgrid[:12, :12]
        heat = np.exp(-((y - 5) ** 2 + (x - 7) ** 2) / 6).astype(np.float32)
        return {"label": np.full(n, "scratched", object), "confidence": np.full(n, 0.71, np.float32), "heat": np.tile(heat, (n, 1, 1))}

class Said(TypedDict):
    label: NDArray[np.str_]
    confidence: NDArray[np.float32]

class Sounds:
    def predict(self, audio: NDArray[np.bytes_]) -> Said:
        return {"label": np.full(len(audio), "speech", object), "confidence": np.full(len(audio), 0.55, np.float32)}

class Texts:
    def predict(self, text: NDArray[np.str_]) -> Said:
        return {"label": np.full(len(text), "question", object), "confidence": np.full(len(text), 0.6, np.float32)}

class Rows:
    def predict(self, age: NDArray[np.float64], income: NDArray[np.float64], city: NDArray[np.str_]) -> Said:
        return {"label": np.where(income > 3000, "grant", "refuse").astype(object), "confidence": np.full(len(age), 0.5, np.float32)}
'''


def endpoint(model: str, level: str, question: str, choices: list[str], **review: Any) -> dict[str, Any]:
    asked = {"queue": f"{model}-people", "question": question, "choices": choices, **review}
    return {"model": model, "split": {"1": 100}, "automation": {"level": level, "act": {"audit": 0}, "review": asked}}


def project() -> dict[str, Any]:
    """Endpoints pictures (assist), sounds (shadow), texts (assist, free text) and rows (assist)."""
    models = {
        name: {"versions": {"1": {"path": f"asked:{name.title()}"}}} for name in ("pictures", "sounds", "texts", "rows")
    }
    endpoints = {
        "pictures": endpoint(
            "pictures", "assist", "Is there a scratch on this phone?", ["clean", "scratched", "can't tell"]
        ),
        "sounds": endpoint("sounds", "shadow", "What do you hear?", ["speech", "music", "noise"]),
        "texts": endpoint("texts", "assist", "What does this person want?", []),
        "rows": endpoint("rows", "assist", "", ["grant", "refuse"], overlap="100%"),
    }
    return {**WITH_CONTROL, "models": models, "endpoints": endpoints}


def picture(seed: int = 1) -> bytes:
    """A phone with a scratch, PNG."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (192, 192), (58, 66, 74))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((44, 10, 148, 182), 14, (18, 22, 28), (92, 100, 110), 3)
    pen.polygon([(60, 12), (96, 12), (70, 180), (48, 180)], (44, 54, 66))
    points = [(int(x), int(y)) for x, y in np.cumsum(rng.normal((4, 5), 3, (14, 2)), 0) + np.array([78, 60])]
    pen.line(points, (190, 200, 205), 2)
    out = io.BytesIO()
    image.filter(ImageFilter.GaussianBlur(0.6)).save(out, "PNG")
    return out.getvalue()


def sound(seed: int = 1) -> bytes:
    """Three bursts, WAV."""
    rng = np.random.default_rng(seed)
    t = np.arange(32000) / 16000
    loud = np.clip(np.sin(2 * np.pi * 1.5 * t), 0, 1) * np.sin(2 * np.pi * 210 * t) * 0.5 + rng.normal(0, 0.01, t.size)
    out = io.BytesIO()
    soundfile.write(out, loud, 16000, format="WAV")
    return out.getvalue()


def body(name: str, *values: Any) -> dict[str, Any]:
    """A request with one BYTES input, bytes as base64."""
    data = [base64.b64encode(one).decode() if isinstance(one, bytes) else one for one in values]
    return {"inputs": [{"name": name, "shape": [len(data)], "datatype": "BYTES", "data": data}]}


def rows(n: int) -> dict[str, Any]:
    """n rows of the endpoint `rows`."""
    columns = [("age", "FP64", [20 + i for i in range(n)]), ("income", "FP64", [2500 + 400 * i for i in range(n)])]
    columns += [("city", "BYTES", ["Bonn"] * n)]
    return {"inputs": [{"name": name, "shape": [n], "datatype": kind, "data": data} for name, kind, data in columns]}
