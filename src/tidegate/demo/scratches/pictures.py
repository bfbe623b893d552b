"""Pictures of phones on a bench, with planted truth: which has a scratch, and where.

    seed --> phones [n]: case, screen, glare, smudges, dust, and on half of them one scratch or two
         --> the camera: light, tint, gamma, blur, noise (`Scene`) --> pixels [n, 96, 96, 3] --png--> files

Dust are dots and glare is wide; only a scratch is long and thin, which is what a model has to learn. The phones of a seed stay
the same, whatever the scene, so that light alone is compared.
"""

from __future__ import annotations

import io

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SIDE = 96
CLEAN, SCRATCHED = "clean", "scratched"
LABELS = (CLEAN, SCRATCHED)
AT_ONCE = 200
"""Pictures that are drawn together: 22 MB of them."""
POINTS = 160
"""Of a scratch: it is drawn as so many dots."""
MAX_DUST, MAX_GLARE = 11, 2


class Scene(msgspec.Struct, frozen=True):
    """How the bench is lit and the camera sees it. `light`: a factor (1 is as in training). `gamma`: an exponent, above 1 is darker.
    `tint`: factors of red, green and blue. `blur`: the radius of a Gaussian in pixels. `noise`: standard deviation, white being 1."""

    light: float = 1.0
    gamma: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: float = 0.0
    noise: float = 0.015


BENCH = Scene()


class Pictures(msgspec.Struct, frozen=True):
    """`pixels` uint8 [n, 96, 96, 3]. `scratched` bool [n]. `box` float32 [n, 4]: left, top, right, bottom of the scratches in
    pixels; NaN where there is none."""

    pixels: npt.NDArray[np.uint8]
    scratched: npt.NDArray[np.bool_]
    box: Floats

    @property
    def labels(self) -> list[str]:
        """In words, as inspectors say it."""
        return [LABELS[int(one)] for one in self.scratched]

    def files(self) -> list[bytes]:
        """Each as a PNG file."""
        return [png(one) for one in self.pixels]


def pictures(n: int, seed: int, scene: Scene = BENCH) -> Pictures:
    """`n` pictures; the same for the same seed and scene.

    >>> some = pictures(4, seed=0)
    >>> some.pixels.shape, some.labels
    ((4, 96, 96, 3), ['clean', 'scratched', 'clean', 'clean'])
    """
    streams = np.random.SeedSequence(seed).spawn(-(-n // AT_ONCE))
    parts = [_some(min(AT_ONCE, n - i * AT_ONCE), np.random.default_rng(one), scene) for i, one in enumerate(streams)]
    return Pictures(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of one picture [height, width, 3]."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _some(
    n: int, rng: np.random.Generator, scene: Scene
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_], Floats]:
    draw = Draw(n, rng)
    scratched, box = draw.scratches()
    # what the camera adds is drawn from a stream of its own: the phones stay the same
    return photographed(draw.picture(), scene, np.random.default_rng(rng.integers(2**63))), scratched, box


class Draw:
    """`n` phones. Lengths are shares of the picture's side, greys 0 to 255."""

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        self.n, self.rng = n, rng
        self.background = self._any(60, 130)
        self.left, self.right = self._any(0.12, 0.2), 1 - self._any(0.12, 0.2)
        self.top, self.bottom = self._any(0.03, 0.07), 1 - self._any(0.03, 0.07)
        self.turn = self._any(-0.1, 0.1)
        y, x = (np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) + 0.5) / SIDE - 0.5
        sine, cosine = np.sin(self.turn), np.cos(self.turn)
        self.x, self.y = cosine * x + sine * y + 0.5, cosine * y - sine * x + 0.5
        self.marks = np.zeros((n, SIDE, SIDE), np.float32)

    def _any(self, low: float, high: float) -> Floats:
        return self.rng.uniform(low, high, (self.n, 1, 1)).astype(np.float32)

    def picture(self) -> Floats:
        """[n, side, side] greys of the phones, with all marks made so far."""
        screen = self._rounded(0.02, 0.06)
        grey = self.background + self._rounded(0.0, 0.08) * (self._any(25, 60) - self.background)
        grey += screen * (self._any(12, 45) - grey)
        middle = (self.left + self.right) / 2
        lens = np.hypot(self.x - middle, self.y - self.top - 0.044)
        grey += np.clip(0.5 + (0.012 - lens) * SIDE, 0, 1) * (6 - grey)
        return grey + screen * (self._glare() + self._smudges() + self._dusted())

    def _rounded(self, inset: float, radius: float) -> Floats:
        """How far each pixel lies inside a rounded rectangle, 0 to 1, by its signed distance."""
        across = np.abs(self.x - (self.left + self.right) / 2) - (self.right - self.left) / 2 + inset + radius
        along = np.abs(self.y - (self.top + self.bottom) / 2) - (self.bottom - self.top) / 2 + inset + radius
        outside = np.hypot(np.maximum(across, 0), np.maximum(along, 0)) + np.minimum(np.maximum(across, along), 0)
        return np.asarray(np.clip(0.5 - (outside - radius) * SIDE, 0, 1), np.float32)

    def _glare(self) -> Floats:
        """Lamps' reflections: wide bands of one direction."""
        angle = self._any(0, np.pi)
        across = (self.x - 0.5) * np.cos(angle) + (self.y - 0.5) * np.sin(angle)
        found = np.zeros_like(across)
        for number in range(MAX_GLARE):
            there = self.rng.integers(0, MAX_GLARE + 1, (self.n, 1, 1)) > number
            bent = (across - self._any(-0.4, 0.4)) / self._any(0.05, 0.2)
            found += there * self._any(10, 45) * np.exp(-(bent**2))
        return found

    def _smudges(self) -> Floats:
        found = np.zeros_like(self.x)
        for number in range(MAX_GLARE):
            there = self.rng.integers(0, MAX_GLARE + 1, (self.n, 1, 1)) > number
            size = self._any(0.02, 0.06)
            away = ((self.x - self._any(0.2, 0.8)) / size) ** 2 + ((self.y - self._any(0.1, 0.9)) / size / 1.4) ** 2
            found += there * self._any(8, 22) * np.exp(-away / 2)
        return found

    def _dusted(self) -> Floats:
        """The marks with dust on them."""
        shape = (self.n, MAX_DUST)
        there = self.rng.integers(0, MAX_DUST + 1, (self.n, 1)) > np.arange(MAX_DUST)
        at = self.rng.uniform((0.2, 0.1), (0.8, 0.9), (*shape, 2)).astype(np.float32)
        strength = self.rng.uniform(40, 120, shape) * there
        self._dots(at, strength.astype(np.float32), self.rng.uniform(0.35, 0.75, shape).astype(np.float32))
        return self.marks

    def scratches(self) -> tuple[npt.NDArray[np.bool_], Floats]:
        """Make them on half of the phones; which, and each one's box in pixels."""
        scratched = self.rng.random(self.n) < 0.5
        second = scratched & (self.rng.random(self.n) < 0.35)
        box = np.full((self.n, 4), np.nan, np.float32)
        for there in (scratched, second):
            at = self._curves()
            strength = self.rng.uniform(35, 170, (self.n, 1)) * there[:, None]
            width = self.rng.uniform(0.4, 1.33, (self.n, 1))
            fades = 0.6 + 0.4 * np.sin(np.pi * np.linspace(0, 1, POINTS)) * self.rng.uniform(0.7, 1, (self.n, POINTS))
            gaps = np.repeat(self.rng.random((self.n, POINTS // 4)) > 0.06, 4, axis=1)
            sigma = np.broadcast_to(np.maximum(0.4, width / 2.2), (self.n, POINTS))
            seen = strength * np.minimum(width * 1.4, 1) * fades * gaps
            pixels = self._dots(at, seen.astype(np.float32), sigma.astype(np.float32))
            around = np.concatenate([pixels.min(1), pixels.max(1)], axis=1)
            known = np.where(np.isnan(box), around, box)
            both = np.concatenate([np.minimum(known, around)[:, :2], np.maximum(known, around)[:, 2:]], axis=1)
            box = np.where(there[:, None], both, box)
        return scratched, box

    def _curves(self) -> Floats:
        """[n, POINTS, 2] on the screen: quadratic Bezier curves, a tenth to nearly half of the picture long."""
        length, angle = self.rng.uniform(0.1, 0.45, (self.n, 1)), self.rng.uniform(0, 2 * np.pi, (self.n, 1))
        low = np.concatenate([self.left[:, 0], self.top[:, 0]], axis=1) + 0.03
        high = np.concatenate([self.right[:, 0], self.bottom[:, 0]], axis=1) - 0.03
        start = self.rng.uniform(low + 0.05, high - 0.05)
        end = start + length * np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
        bend = (start + end) / 2 + self.rng.normal(0, 0.08, (self.n, 2)) * length
        t = np.linspace(0, 1, POINTS)[:, None]
        found = (1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * bend[:, None] + t * t * end[:, None]
        return np.asarray(np.clip(found, low[:, None], high[:, None]), np.float32)

    def _dots(self, at: Floats, strength: Floats, sigma: Floats) -> Floats:
        """Soft dots at places of the phone [n, k, 2]; where dots meet the stronger shows. Their places in pixels."""
        sine, cosine = np.sin(self.turn[:, 0]), np.cos(self.turn[:, 0])
        x, y = at[..., 0] - 0.5, at[..., 1] - 0.5
        pixels = (np.stack([cosine * x - sine * y, cosine * y + sine * x], axis=-1) + 0.5) * SIDE - 0.5
        near = np.rint(pixels).astype(np.int64)
        first = np.arange(self.n)[:, None] * SIDE * SIDE
        flat = self.marks.reshape(-1)
        for dx in range(-2, 3):
            for dy in range(-2, 3):
                cell = np.clip(near + (dx, dy), 0, SIDE - 1)
                away = ((cell - pixels) ** 2).sum(-1)
                value = strength * np.exp(-away / (2 * sigma**2))
                np.maximum.at(flat, (first + cell[..., 1] * SIDE + cell[..., 0]).ravel(), value.ravel())
        return pixels.astype(np.float32)


def photographed(grey: Floats, scene: Scene, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Greys [n, side, side] -> pixels [n, side, side, 3] as the camera of this scene gives them."""
    from PIL import Image, ImageFilter

    n = len(grey)
    if scene.blur:
        soft = ImageFilter.GaussianBlur(scene.blur)
        grey = np.stack([np.asarray(Image.fromarray(one).filter(soft)) for one in grey.clip(0, 255).astype(np.uint8)])
    exposure = 1 + rng.uniform(-0.15, 0.15, (n, 1, 1))
    slope = 1 + rng.uniform(-0.15, 0.15, (n, 1, 1)) * np.linspace(-0.5, 0.5, SIDE)[:, None]
    lit = (grey / 255 * scene.light * exposure * slope).astype(np.float32)[..., None] * np.array(scene.tint, np.float32)
    seen = np.clip(lit, 0, 1) ** np.float32(scene.gamma)
    seen += np.float32(scene.noise) * rng.standard_normal(seen.shape, np.float32)
    return np.asarray(np.rint(np.clip(seen, 0, 1) * 255), np.uint8)
