"""Pictures of digits for lesson 15: drawn, scanned, photographed, and harmful ones."""

import io
import struct
import zlib
from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

PAPER, INK = (250, 245, 230), (30, 40, 110)


def show(pictures: Iterable, titles: Iterable, rows: int = 1) -> None:
    """Draw pictures side by side: (1, 8, 8) with ink black, or one of Pillow's."""
    pictures, titles = list(pictures), list(titles)
    size = (12, 1.9 * rows if len(titles) > 3 else 3.2)
    _, axes = plt.subplots(rows, len(titles) // rows, figsize=size, squeeze=False)
    for place, picture, title in zip(axes.flat, pictures, titles, strict=True):
        if isinstance(picture, Image.Image):
            place.imshow(picture, cmap="gray")
        else:
            place.imshow(np.asarray(picture)[0], cmap="gray_r", vmin=0, vmax=16)
        place.set(title=title, xticks=[], yticks=[])
    plt.tight_layout()
    plt.show()


def blank() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Cream paper to draw on, 600 by 400, and the pen for it."""
    paper = Image.new("RGB", (600, 400), PAPER)
    return paper, ImageDraw.Draw(paper)


def three() -> Image.Image:
    """A 3 that is drawn with a thick blue pen."""
    paper, pen = blank()
    pen.arc((250, 70, 390, 210), 200, 90, fill=INK, width=40)
    pen.arc((240, 188, 400, 340), 270, 160, fill=INK, width=40)
    return paper


def letter() -> Image.Image:
    """An E, drawn in the same way."""
    paper, pen = blank()
    pen.line([(370, 80), (230, 80), (230, 330), (370, 330)], INK, 40, "curve")
    pen.line([(230, 205), (350, 205)], INK, 40)
    return paper


def file_of(picture: Image.Image, kind: str = "PNG") -> bytes:
    """The bytes of a picture, as a file would hold them."""
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def scan(picture: Tensor) -> Image.Image:
    """A digit of the data set, 100 pixels high, dark in a corner of a white sheet."""
    ink = Image.fromarray(np.uint8(255 - picture[0].numpy() * 255 / 16))
    sheet = Image.new("L", (250, 200), "white")
    sheet.paste(ink.resize((100, 100), Image.Resampling.BICUBIC), (120, 70))
    return sheet


def photos(pictures: Tensor, most: float = 40) -> list[bytes]:
    """Photos of scans, each turned by up to so many degrees, the same every time."""
    chance = np.random.default_rng(0)
    files = []
    for picture in pictures:
        sheet = Image.new("L", (250, 250), "white")
        sheet.paste(scan(picture).crop((120, 70, 220, 170)), (75, 75))
        angle = chance.uniform(-most, most)
        way = Image.Resampling.BICUBIC
        files.append(file_of(sheet.rotate(angle, way, fillcolor="white"), "JPEG"))
    return files


def noise(count: int) -> list[bytes]:
    """Files with 200 by 200 pixels of any gray, the same every time."""
    chance = np.random.default_rng(0)
    grays = chance.integers(0, 256, (count, 200, 200), dtype=np.uint8)
    return [file_of(Image.fromarray(gray)) for gray in grays]


def bomb(side: int) -> bytes:
    """A small file, a PNG of side times side black pixels."""

    def chunk(kind, content):
        check = struct.pack("!I", zlib.crc32(kind + content))
        return struct.pack("!I", len(content)) + kind + content + check

    header = struct.pack("!IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (1 + -(-side // 8))))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
