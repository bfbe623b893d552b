"""Pictures of phones, with the truth planted: a screen, its frame, glare, smudges and dust; on half of them a scratch.

seed, light, noise ... --draw (three times as large)--> --turn, shrink--> --light, colour, noise--> uint8 [96, 96, 3], scratched or clean
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

SIDE = 96
_SCALE = 3
_WIDE = SIDE * _SCALE

Pixels = npt.NDArray[np.uint8]


class Camera(msgspec.Struct, frozen=True):
    """How a picture is taken. `light` multiplies what the sensor gets (1: as in training), `noise` is its standard deviation (0 to 1),
    `blur` a radius in pixels, `tint` of red, green and blue."""

    light: float = 1.0
    noise: float = 0.015
    blur: float = 0.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


USUAL = Camera()


class Phone(msgspec.Struct, frozen=True):
    """One picture and what is true of it."""

    pixels: Pixels
    scratched: bool

    def png(self) -> bytes:
        """As a caller sends it."""
        out = io.BytesIO()
        Image.fromarray(self.pixels).save(out, "PNG")
        return out.getvalue()


def phones(seed: int, camera: Camera = USUAL) -> Iterator[Phone]:
    """Without end, the same for the same seed; about half are scratched."""
    rng = np.random.default_rng(seed)
    while True:
        scratched = bool(rng.random() < 0.5)
        yield Phone(_taken(rng, _drawn(rng, scratched), camera), scratched)


def _drawn(rng: np.random.Generator, scratched: bool) -> Image.Image:
    """The phone on a table, three times as large as its picture."""
    table = int(rng.uniform(60, 130))
    image = Image.new("RGB", (_WIDE, _WIDE), (table, table, table))
    pen = ImageDraw.Draw(image)
    left, top = rng.uniform(0.12, 0.2) * _WIDE, rng.uniform(0.03, 0.07) * _WIDE
    right, bottom = _WIDE - rng.uniform(0.12, 0.2) * _WIDE, _WIDE - rng.uniform(0.03, 0.07) * _WIDE
    frame, dark = int(rng.uniform(25, 60)), int(rng.uniform(12, 45))
    edge = 0.02 * _WIDE
    screen = (left + edge, top + edge, right - edge, bottom - edge)
    pen.rounded_rectangle((left, top, right, bottom), 0.08 * _WIDE, (frame, frame, frame + 4))
    pen.rounded_rectangle(screen, 0.06 * _WIDE, (dark, dark, int(1.2 * dark)))
    lens = (left + right) / 2
    pen.ellipse((lens - 3, screen[1] + 6, lens + 3, screen[1] + 12), (5, 5, 8))
    light = Image.new("L", (_WIDE, _WIDE), 0)
    marks = ImageDraw.Draw(light)
    for _ in range(rng.integers(0, 3)):
        x, y, r = rng.uniform(screen[0], screen[2]), rng.uniform(screen[1], screen[3]), rng.uniform(6, 17)
        marks.ellipse((x - r, y - 1.4 * r, x + r, y + 1.4 * r), fill=int(rng.uniform(8, 22)))
    light = light.filter(ImageFilter.GaussianBlur(6))
    marks = ImageDraw.Draw(light)
    for _ in range(rng.integers(0, 12)):
        x, y, r = rng.uniform(screen[0], screen[2]), rng.uniform(screen[1], screen[3]), rng.uniform(1, 2.2)
        marks.ellipse((x - r, y - r, x + r, y + r), fill=int(rng.uniform(40, 120)))
    if scratched:
        for _ in range(1 + int(rng.random() < 0.35)):
            _scratch(rng, marks, screen)
    inside = Image.new("L", (_WIDE, _WIDE), 0)
    ImageDraw.Draw(inside).rounded_rectangle(screen, 0.06 * _WIDE, 255)
    within = np.asarray(inside, np.float32) / 255
    shine = np.asarray(light, np.float32) + _glare(rng)
    lit = np.asarray(image, np.float32) + (shine * within)[..., None]
    turned = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    return turned.rotate(rng.uniform(-6, 6), Image.Resampling.BILINEAR, fillcolor=(table, table, table))


def _glare(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Bands of a lamp's reflection."""
    y, x = np.mgrid[:_WIDE, :_WIDE] / _WIDE - 0.5
    angle = rng.uniform(0, np.pi)
    across = x * np.cos(angle) + y * np.sin(angle)
    found = np.zeros((_WIDE, _WIDE))
    for _ in range(rng.integers(0, 3)):
        found += rng.uniform(10, 45) * np.exp(-(((across - rng.uniform(-0.4, 0.4)) / rng.uniform(0.05, 0.2)) ** 2))
    return found


def _scratch(rng: np.random.Generator, marks: ImageDraw.ImageDraw, screen: tuple[float, float, float, float]) -> None:
    """A bent line that fades at its ends and has gaps."""
    length, angle = rng.uniform(0.1, 0.45) * _WIDE, rng.uniform(0, 2 * np.pi)
    begin = np.array([rng.uniform(screen[0] + 14, screen[2] - 14), rng.uniform(screen[1] + 14, screen[3] - 14)])
    end = begin + length * np.array([np.cos(angle), np.sin(angle)])
    bend = (begin + end) / 2 + rng.normal(0, 0.08 * length, 2)
    t = np.linspace(0, 1, 40)[:, None]
    path = (1 - t) ** 2 * begin + 2 * t * (1 - t) * bend + t**2 * end
    path = np.clip(path, (screen[0] + 3, screen[1] + 3), (screen[2] - 3, screen[3] - 3))
    strength, width = rng.uniform(35, 170), max(1, round(rng.uniform(1.2, 4)))
    for at in range(39):
        if rng.random() < 0.06:
            continue
        bright = strength * (0.6 + 0.4 * np.sin(np.pi * at / 39)) * rng.uniform(0.7, 1)
        marks.line([tuple(path[at]), tuple(path[at + 1])], fill=int(bright), width=width)


def _taken(rng: np.random.Generator, scene: Image.Image, camera: Camera) -> Pixels:
    small = scene.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    if camera.blur:
        small = small.filter(ImageFilter.GaussianBlur(camera.blur))
    falling = 1 + rng.uniform(-0.15, 0.15) * np.linspace(-0.5, 0.5, SIDE)[:, None, None]
    seen = (
        np.asarray(small, np.float64) / 255 * camera.light * rng.uniform(0.85, 1.15) * falling * np.array(camera.tint)
    )
    seen = np.clip(seen, 0, 1) + rng.normal(0, camera.noise, seen.shape)
    return np.asarray(np.clip(seen, 0, 1) * 255, np.uint8)
