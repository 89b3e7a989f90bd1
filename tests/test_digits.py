"""Handwritten digits: the model, what the handler makes of a picture, and batches.

The pictures here are drawn by the tests, or digits of the data set that the model has
not learned. The accuracy, the split and the real server are proved by the lesson.
"""

import io
import json
import random
import shutil
import struct
import warnings
import zlib
from unittest.mock import Mock, call

import numpy as np
import pytest
import torch
from course import local_worker
from course.lesson import ROOT
from PIL import ExifTags, Image, ImageFile
from ts.context import Context
from ts.utils.util import PredictionException

from handlers import digits_handler
from handlers.digits_handler import EXPECTED, DigitsHandler, read_picture
from models.train_digits import Digits, load, load_data, predict, save, train

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
LEARNED, _, HELD_OUT = load_data()


# Pictures, and the files that hold them.


def file_of(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def bar():
    """A black bar on white, 40 wide and 80 high, not in the middle."""
    sheet = Image.new("L", (150, 120), "white")
    sheet.paste(0, (10, 30, 50, 110))
    return sheet


BAR = torch.zeros(1, 8, 8)
BAR[0, :, 2:6] = 16


def clear(ground, ink):
    """The bar in a shade of gray, on a ground that is transparent."""
    colored = Image.new("L", bar().size, ink)
    colored.paste(ground, mask=bar())
    return Image.merge("LA", [colored, Image.eval(bar(), lambda v: 255 - v)])


def png(width, height, bits=1, color=0, rows=None):
    """A PNG written by hand, by default with as many black pixels as it claims."""

    def chunk(kind, content):
        check = struct.pack("!I", zlib.crc32(kind + content))
        return struct.pack("!I", len(content)) + kind + content + check

    if rows is None:
        rows = bytes(height * (1 + -(-width * bits // 8)))
    header = struct.pack("!IIBBBBB", width, height, bits, color, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b"")


def jpeg_claiming(width, height):
    """A small JPEG whose header says another size."""
    file = bytearray(file_of(bar(), "JPEG"))
    place = file.index(b"\xff\xc0")  # start of frame: length, bits, height, width
    file[place + 5 : place + 9] = struct.pack("!HH", height, width)
    return bytes(file)


def jpeg_of_scans(count):
    """A JPEG that repeats the last of its passes over the picture."""
    file = file_of(Image.new("L", (64, 64), "white"), "JPEG", progressive=True)
    last = file[file.rindex(b"\xff\xda") : -2]
    return file[:-2] + count * last + file[-2:]


def orientation(number):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = number
    return exif


def turned(number, kind):
    """The bar as a phone stores it that was held in one of eight ways."""
    back = {6: 8, 8: 6}.get(number, number)
    turn = digits_handler.TURNS.get(back)
    picture = bar() if turn is None else bar().transpose(turn)
    return file_of(picture, kind, exif=orientation(number), **QUALITY[kind])


QUALITY = {"PNG": {}, "JPEG": {"quality": 95}}
SIXTEEN_BIT = Image.fromarray(np.asarray(bar(), dtype=np.uint16) * 128 + 2000)
ANIMATION = {"save_all": True, "append_images": [Image.new("L", bar().size, "white")]}

READABLE = {
    "gray": file_of(bar()),
    "4 MB": file_of(bar()).ljust(4_000_000, b"\0"),
    "gray, JPEG": file_of(bar(), "JPEG", quality=95),
    "1 bit": file_of(bar().convert("1")),
    "16 bits": file_of(SIXTEEN_BIT),
    "16 bits, one value transparent": file_of(SIXTEEN_BIT, transparency=1),
    "palette": file_of(bar().convert("P")),
    "palette, transparent paper": file_of(bar().convert("P"), transparency=255),
    "color": file_of(bar().convert("RGB")),
    "color, JPEG": file_of(bar().convert("RGB"), "JPEG", quality=95),
    "color, transparent paper": file_of(bar().convert("RGB"), transparency=(255,) * 3),
    "CMYK, JPEG": file_of(bar().convert("CMYK"), "JPEG", quality=95),
    "progressive JPEG": file_of(bar(), "JPEG", quality=95, progressive=True),
    "opaque": file_of(bar().convert("RGBA")),
    "black on transparent white": file_of(clear(255, 0)),
    "black on transparent black": file_of(clear(0, 0)),
    "gray on transparent, color": file_of(clear(255, 90).convert("RGBA")),
    "light on dark": file_of(Image.eval(bar(), lambda v: 255 - v)),
    "light on dark, JPEG": file_of(Image.eval(bar(), lambda v: 255 - v), "JPEG"),
    "pale": file_of(Image.eval(bar(), lambda v: 150 + v // 5)),
    **{
        f"turned as EXIF {n} says, {kind}": turned(n, kind)
        for n in range(1, 9)
        for kind in ("PNG", "JPEG")
    },
    "an orientation that is none": file_of(bar(), exif=orientation(99)),
    "an animation": file_of(bar(), **ANIMATION),
    "tiny": file_of(bar().reduce(10)),
    "large": file_of(bar().resize((3000, 2400))),
    "large, JPEG": file_of(bar().resize((3000, 2400)), "JPEG"),
    "without a margin": file_of(bar().crop((0, 30, 150, 110))),
}


@pytest.mark.parametrize("file", READABLE.values(), ids=READABLE)
def test_what_is_read_is_the_share_of_ink(file):
    """Whatever the file: half a square inked, as eight rows of four full pixels."""
    assert torch.allclose(read_picture(file), BAR, atol=1)
    assert torch.equal(read_picture(file), read_picture(bytearray(file)))


def test_a_pixel_half_inked_counts_half():
    """Ten columns of ink in a square of 80: the edge pixels hold half each."""
    sheet = Image.new("L", (200, 100), "white")
    sheet.paste(0, (95, 10, 115, 90))
    [row] = read_picture(file_of(sheet))[0, :1].tolist()
    assert row == pytest.approx([0, 0, 0, 16, 16, 0, 0, 0])
    sheet.paste(0, (90, 10, 120, 90))
    [row] = read_picture(file_of(sheet))[0, :1].tolist()
    assert row == pytest.approx([0, 0, 8, 16, 16, 8, 0, 0], abs=0.1)


@pytest.mark.parametrize("size", [(1, 2), (2, 1), (1, 900), (3, 3), (4096, 4096)])
def test_any_shape_is_read(size):
    sheet = Image.new("L", size, "white")
    sheet.paste(0, (0, 0, 1 + size[0] // 3, 1 + size[1] // 3))
    picture = read_picture(file_of(sheet))
    assert picture.shape == (1, 8, 8)
    assert picture.max() == 16 and picture.min() >= 0


# The model.


def test_training_is_repeatable_and_shows_a_bar_unless_told_not_to(monkeypatch, capsys):
    few = Digits(LEARNED.pictures[:128], LEARNED.labels[:128])
    threads = torch.get_num_threads()
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    first = train(few, epochs=2, seed=3)
    assert "2/2" in capsys.readouterr().out
    monkeypatch.setenv("TQDM_DISABLE", "1")
    same, other = (train(few, epochs=2, seed=seed) for seed in (3, 4))
    assert capsys.readouterr() == ("", "")
    assert torch.get_num_threads() == threads
    scores, again, others = (model(few.pictures) for model in (first, same, other))
    assert scores.equal(again) and not scores.equal(others)


# What is refused.

GOOD = file_of(bar())

REFUSED = {
    "nothing": (400, b"", "no picture"),
    "no body": (400, None, "no picture"),
    "text": (400, "three", "no picture"),
    "JSON": (400, [[0, 16]], "no picture"),
    "a text in bytes": (400, b"three", "no PNG"),
    "half a PNG": (400, GOOD[: len(GOOD) // 2], "no PNG"),
    "half a JPEG": (400, READABLE["color, JPEG"][:500], "no PNG"),
    "only a PNG's header": (400, GOOD[:33], "no PNG"),
    "a PNG with a bit turned": (400, GOOD[:20] + b"\x7f" + GOOD[21:], "no PNG"),
    "a PNG without its rows": (400, png(100, 100, rows=b""), "no PNG"),
    "a palette that is missing": (400, png(9, 9, bits=8, color=3), "no PNG"),
    **{
        kind: (400, file_of(bar(), kind), "no PNG")
        for kind in ("GIF", "TIFF", "BMP", "WEBP", "PPM", "ICO")
    },
    "SVG": (400, b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PNG"),
    "white": (400, file_of(Image.new("L", (90, 90), "white")), "no digit"),
    "one pixel": (400, file_of(Image.new("L", (1, 1))), "no digit"),
    "nearly one color": (400, file_of(Image.eval(bar(), lambda v: v // 9)), "no digit"),
    "white on transparent": (400, file_of(clear(255, 255)), "no digit"),
    "too many bytes": (413, GOOD.ljust(4_000_001, b"\0"), "the file is too large"),
    "a few pixels too many": (413, png(4096, 4097), "the picture has too many"),
    "one long row": (413, png(4096**2 + 1, 1), "the picture has too many"),
    "a bomb, as Pillow warns of": (413, png(10_000, 10_000), "the picture has too"),
    "a bomb, as Pillow refuses": (413, png(30_000, 30_000), "the picture has too"),
    "a JPEG that claims much": (413, jpeg_claiming(65_500, 65_500), "the picture"),
    "a JPEG of many scans": (413, jpeg_of_scans(100), "the JPEG has too many"),
}


@pytest.mark.parametrize(("status", "file", "why"), REFUSED.values(), ids=REFUSED)
def test_bad_files_are_refused(status, file, why, monkeypatch):
    if status == 413:  # 100 kB can unpack to gigabytes: no pixel may be read
        monkeypatch.setattr(ImageFile.ImageFile, "load", Mock(side_effect=MemoryError))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PredictionException) as refused:
            read_picture(file)
    assert refused.value.error_code == status
    assert refused.value.message.startswith(why)
    assert refused.value.message.endswith(f": {EXPECTED}")


def test_broken_files_are_read_or_refused_and_nothing_else():
    chance = random.Random(0)
    good = list(READABLE.values())
    refused = 0
    for _ in range(1500):
        file = bytearray(chance.choice(good)[:20_000])
        for _ in range(chance.choice([1, 3, 30])):
            end = min(len(file), chance.choice([40, 100, len(file)]))
            file[chance.randrange(end)] = chance.randrange(256)
        try:
            picture = read_picture(file)
        except PredictionException:
            refused += 1
        else:
            assert picture.shape == (1, 8, 8)
            assert picture.min() >= 0 and picture.max() == 16
    assert 0 < refused < 1500


# The handler in a worker of TorchServe's own, without a server.


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An unpacked archive."""
    folder = tmp_path_factory.mktemp("archive")
    for file in ("models/digits.py", "handlers/index_to_name.json"):
        shutil.copy(ROOT / file, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TQDM_DISABLE", "1")
        save(train(LEARNED, epochs=20), folder / "digits.pth")
    return folder


def start(folder, **more):
    files = {"modelFile": "digits.py", "serializedFile": "digits.pth"}
    manifest = {"model": {**files, **more}}
    context = Context(
        "digits", str(folder), manifest, 8, None, "0.12.0", model_yaml_config={}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        return local_worker.start(DigitsHandler(), context)


@pytest.fixture(scope="module")
def ask(folder):
    """A function that sends a batch of requests: statuses and answers come back."""
    worker = start(folder)
    return lambda *requests: [
        (answer.status, json.loads(answer.body)) for answer in worker.ask(*requests)
    ]


@pytest.fixture(scope="module")
def scans(folder):
    """Requests with the digits 0 to 9 as scans, which the model reads right.

    Each is 200 pixels high, dark on a white sheet that leaves it room.
    """
    model = load(folder / "digits.pth")
    requests = []
    for digit in range(10):
        field, kind = ("data", "JPEG") if digit % 2 else ("body", "PNG")
        for picture in HELD_OUT.pictures[HELD_OUT.labels == digit]:
            ink = np.uint8(255 - picture[0].numpy() * 255 / 16)
            sheet = Image.new("L", (300, 250), "white")
            sheet.paste(Image.fromarray(ink).resize((200, 200)), (20, 20))
            file = file_of(sheet, kind)
            if predict(model, read_picture(file)[None]).item() == digit:
                break
        requests.append({field: file})
    return requests


def assert_answers(answer, digit):
    """The contract: the digit, its English name, and ten probabilities by name."""
    assert list(answer) == ["digit", "name", "probabilities"]
    assert answer["digit"] == digit and isinstance(answer["digit"], int)
    assert answer["name"] == NAMES[digit]
    assert list(answer["probabilities"]) == NAMES
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    best = max(answer["probabilities"], key=answer["probabilities"].get)
    assert best == NAMES[digit]


def test_n_pictures_in_n_answers_out_in_the_same_order(ask, scans):
    for order in (range(10), [7, 1, 1, 0, 9]):
        answers = ask(*[scans[digit] for digit in order])
        for (status, answer), digit in zip(answers, order, strict=True):
            assert status == 200
            assert_answers(answer, digit)


BAD = [
    ({"body": b"three"}, 400, "BadRequestException", "no PNG"),
    (
        {"body": GOOD.ljust(4_000_001, b"\0")},
        413,
        "PayloadTooLargeException",
        "the file is",
    ),
    ({"picture": GOOD}, 400, "BadRequestException", "no picture"),
]


@pytest.mark.parametrize(("bad", "status", "kind", "why"), BAD)
def test_a_bad_request_is_refused_alone(ask, scans, bad, status, kind, why):
    """At each place of a batch of good ones; and nothing is left of it in the next."""
    for place in range(4):
        batch = scans[3:7]
        batch[place] = bad
        for n, (code, answer) in enumerate(ask(*batch)):
            if n == place:
                assert code == answer["code"] == status
                assert answer["type"] == kind
                assert answer["message"].startswith(why)
            else:
                assert code == 200
                assert_answers(answer, 3 + n)
    [(code, answer)] = ask(scans[8])
    assert code == 200
    assert_answers(answer, 8)


def test_every_answer_is_json_by_its_content_type(folder, scans):
    """And a refusal is noted in the form that all handlers share."""
    handler = DigitsHandler()
    handler.context, handler.names, handler.device = Mock(), NAMES, "cpu"
    handler.least = 0
    handler.model = load(folder / "digits.pth")
    inputs = handler.preprocess([scans[0], {"data": b"x"}])
    assert handler.refused == {1: (400, f"no PNG or JPEG, or a broken one: {EXPECTED}")}
    handler.postprocess(handler.inference(inputs))
    typed = handler.context.set_response_content_type.call_args_list
    assert typed == [call(0, "application/json"), call(1, "application/json")]


def test_an_archive_without_names_does_not_start(folder, tmp_path):
    copy = tmp_path / "archive"
    shutil.copytree(folder, copy)
    (copy / "index_to_name.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"index_to_name\.json"):
        start(copy)


# A threshold, below which the handler answers no digit.


@pytest.mark.parametrize(
    ("settings", "digits"),
    [
        ("handler: {}", [0, 3]),
        ("minWorkers: 1\nhandler:", [0, 3]),
        ("handler:\n  least_probability: 1.01", [None, None]),
    ],
)
def test_below_the_threshold_of_the_archive_there_is_no_digit(
    folder, scans, tmp_path, settings, digits
):
    copy = tmp_path / "archive"
    shutil.copytree(folder, copy)
    (copy / "model-config.yaml").write_text(settings)
    worker = start(copy, configFile="model-config.yaml")
    answers = worker.ask(scans[0], scans[3], {"body": b"x"})
    assert [answer.status for answer in answers] == [200, 200, 400]
    found = [json.loads(answer.body) for answer in answers[:2]]
    assert [answer["digit"] for answer in found] == digits
    for answer in found:
        digit = answer["digit"]
        assert answer["name"] == (None if digit is None else NAMES[digit])
        assert list(answer["probabilities"]) == NAMES


def test_as_sure_as_the_threshold_is_enough():
    row = [0.6, 0.4, *[0.0] * 8]
    assert digits_handler.decide(row, NAMES, 0.6)["name"] == "zero"
    assert digits_handler.decide(row, NAMES, 0.61)["name"] is None


def test_a_model_that_is_loaded_predicts(tmp_path):
    """It drops nothing out: the same scores each time, as after training."""
    few = Digits(LEARNED.pictures[:64], LEARNED.labels[:64])
    model = train(few, epochs=1)
    save(model, tmp_path / "digits.pth")
    loaded = load(tmp_path / "digits.pth")
    assert not loaded.training
    assert loaded(few.pictures).equal(model(few.pictures))
