"""Draws an arithmetic question so that people read it at a glance and simple programs do not."""

from __future__ import annotations

import io
import random

from PIL import Image, ImageDraw, ImageFont

SIZE_PX = (240, 80)
FONT_SIZE_PX = 38
MARGIN_PX = 12
N_LINES = 5
N_DOTS = 220
MAX_SHIFT_PX = 5
MAX_TILT_DEG = 9.0
INK = (38, 50, 56)
PAPER = (250, 250, 247)


def draw_question(text: str, noise_seed: int) -> bytes:
    """Return a PNG of `text`, about ten characters.

    Args:
        text: such as "7 + 12 = ?".
        noise_seed: the same seed draws the same picture, so that asking again does not help to see through the noise.
    """
    noise = random.Random(noise_seed)  # noqa: S311 - decorates; the numbers themselves come from `secrets`
    picture = Image.new("RGB", SIZE_PX, PAPER)
    draw = ImageDraw.Draw(picture)
    for _ in range(N_DOTS):
        draw.point((noise.randrange(SIZE_PX[0]), noise.randrange(SIZE_PX[1])), fill=_shade(noise, 120))
    _draw_text(picture, text, noise)
    for _ in range(N_LINES):
        ends = [(x, noise.randrange(SIZE_PX[1])) for x in (0, SIZE_PX[0])]
        draw.line(ends, fill=_shade(noise, 150), width=1)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _draw_text(picture: Image.Image, text: str, noise: random.Random) -> None:
    """Draw each character a little tilted and shifted, spread over the width."""
    font = ImageFont.load_default(size=FONT_SIZE_PX)
    widths = [font.getlength(char) for char in text]
    stretch = (SIZE_PX[0] - 2 * MARGIN_PX) / sum(widths)
    x = float(MARGIN_PX)
    for char, width in zip(text, widths, strict=True):
        glyph = Image.new("L", (FONT_SIZE_PX * 2, FONT_SIZE_PX * 2), 0)
        ImageDraw.Draw(glyph).text((FONT_SIZE_PX, FONT_SIZE_PX), char, fill=255, font=font, anchor="mm")
        glyph = glyph.rotate(noise.uniform(-MAX_TILT_DEG, MAX_TILT_DEG), Image.Resampling.BICUBIC)
        center = (x + width * stretch / 2, SIZE_PX[1] / 2 + noise.uniform(-MAX_SHIFT_PX, MAX_SHIFT_PX))
        corner = (round(center[0]) - FONT_SIZE_PX, round(center[1]) - FONT_SIZE_PX)
        picture.paste(INK, corner, glyph)
        x += width * stretch


def _shade(noise: random.Random, darkest: int) -> tuple[int, int, int]:
    return (noise.randrange(darkest, 230), noise.randrange(darkest, 230), noise.randrange(darkest, 230))
