"""Handwritten digits: the model, what the handler makes of a picture, and the server.

The pictures here are drawn by the tests, or digits of the data set that the model has
never seen, put on a sheet as a scan would have them.
"""

import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
import torch
from course import lesson, local_worker
from course.lesson import ROOT
from PIL import Image
from ts.context import Context
from ts.utils.util import PredictionException

from handlers.digits_handler import (
    EXPECTED,
    MOST_BYTES,
    MOST_PIXELS,
    DigitsHandler,
    read_picture,
)
from models.digits import DigitNet
from models.train import save
from models.train_digits import Digits, accuracy, load, predict, train

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
LEARNED, HELD_OUT = load()


@pytest.fixture(scope="session")
def model():
    """The network of lesson 15, trained here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TQDM_DISABLE", "1")
        return train(LEARNED)


# Pictures, and the files that hold them.


def file_of(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def scan(picture, side=200, room=0):
    """A digit of the data set (1, 8, 8), dark on a white sheet that leaves it room."""
    ink = Image.fromarray(np.uint8(255 - picture[0].numpy() * 255 / 16))
    sheet = Image.new("L", (side + 3 * room, side + 2 * room), "white")
    sheet.paste(ink.resize((side, side), Image.Resampling.BICUBIC), (room, room))
    return sheet


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


SIXTEEN_BIT = Image.fromarray(np.asarray(bar(), dtype=np.uint16) * 128 + 2000)
ANIMATION = {"save_all": True, "append_images": [Image.new("L", bar().size, "white")]}

READABLE = {
    "gray": file_of(bar()),
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


def test_the_split_holds_a_quarter_of_each_digit_back():
    assert len(LEARNED.labels) + len(HELD_OUT.labels) == 1797
    seen = {picture.numpy().tobytes() for picture in LEARNED.pictures}
    assert not seen & {picture.numpy().tobytes() for picture in HELD_OUT.pictures}
    shares = HELD_OUT.labels.bincount() / (
        HELD_OUT.labels.bincount() + LEARNED.labels.bincount()
    )
    assert shares.tolist() == pytest.approx([0.25] * 10, abs=0.01)


def test_held_out_digits_are_read(model):
    assert accuracy(model, HELD_OUT) >= 0.97


def test_the_same_seed_gives_the_same_network(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    few = Digits(LEARNED.pictures[:128], LEARNED.labels[:128])
    threads = torch.get_num_threads()
    states = [train(few, epochs=2, seed=seed).state_dict() for seed in (3, 3, 4)]
    assert torch.get_num_threads() == threads
    same, other = [
        all(torch.equal(states[0][name], state[name]) for name in state)
        for state in states[1:]
    ]
    assert same and not other


def test_training_shows_a_bar_unless_it_is_told_not_to(monkeypatch, capsys):
    few = Digits(LEARNED.pictures[:64], LEARNED.labels[:64])
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    train(few, epochs=2)
    assert "2/2" in capsys.readouterr().out
    monkeypatch.setenv("TQDM_DISABLE", "1")
    train(few, epochs=2)
    assert capsys.readouterr() == ("", "")


SCANS = {
    "as they are": lambda p: file_of(scan(p, side=8)),
    "PNG": lambda p: file_of(scan(p)),
    "poor JPEG, with room": lambda p: file_of(scan(p, room=50), "JPEG", quality=30),
    "light on dark": lambda p: file_of(Image.eval(scan(p, 99, 9), lambda v: 255 - v)),
}


@pytest.mark.parametrize("as_file", SCANS.values(), ids=SCANS)
def test_scans_are_read_as_well_as_the_data_set(model, as_file):
    some = Digits(HELD_OUT.pictures[:300], HELD_OUT.labels[:300])
    pictures = torch.stack([read_picture(as_file(p)) for p in some.pictures])
    read = accuracy(model, some._replace(pictures=pictures))
    assert abs(read - accuracy(model, some)) <= 0.01


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
    "too many bytes": (413, GOOD + bytes(MOST_BYTES), "the file is too large"),
    "a few pixels too many": (413, png(4096, 4097), "the picture has too many"),
    "one long row": (413, png(MOST_PIXELS + 1, 1), "the picture has too many"),
    "a bomb, as Pillow warns of": (413, png(10_000, 10_000), "the picture has too"),
    "a bomb, as Pillow refuses": (413, png(30_000, 30_000), "the picture has too"),
    "a JPEG that claims much": (413, jpeg_claiming(65_500, 65_500), "the picture"),
    "a JPEG of a thousand scans": (413, jpeg_of_scans(1000), "the JPEG has too many"),
}


@pytest.mark.parametrize(("status", "file", "why"), REFUSED.values(), ids=REFUSED)
def test_bad_files_are_refused(status, file, why):
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


MEMORY = """
import resource, sys
from ts.utils.util import PredictionException
from handlers.digits_handler import read_picture

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

for path in sys.argv[1:]:
    with open(path, "rb") as opened:
        file = opened.read()
    before = peak()
    try:
        read_picture(file)
        status = 200
    except PredictionException as refused:
        status = refused.error_code
    print(status, peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no resource module there")
def test_memory_is_bounded(tmp_path):
    """A picture that claims too much takes none, the largest that is read some."""
    black, white = b"\0" + b"\0\0\0\xff" * 4096, b"\0" + b"\xff" * 4 * 4096
    bomb, largest = tmp_path / "bomb.png", tmp_path / "largest.png"
    bomb.write_bytes(png(30_000, 30_000))
    largest.write_bytes(png(4096, 4096, 8, 6, black * 1024 + white * 3072))
    finished = subprocess.run(
        [sys.executable, "-c", MEMORY, bomb, largest],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    (status, taken), (status_largest, taken_largest) = (
        map(int, line.split()) for line in finished.stdout.splitlines()
    )
    assert (status, status_largest) == (413, 200)
    assert taken < 20e6 and taken_largest < 250e6


# The handler in a worker of TorchServe's own, without a server.


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """An unpacked archive."""
    folder = tmp_path_factory.mktemp("archive")
    for file in ("models/digits.py", "handlers/index_to_name.json"):
        shutil.copy(ROOT / file, folder)
    save(model, folder / "digits.pth")
    return folder


def start(folder):
    manifest = {"model": {"modelFile": "digits.py", "serializedFile": "digits.pth"}}
    context = Context(
        "digits", str(folder), manifest, 8, None, "0.12.0", model_yaml_config={}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        return local_worker.start(DigitsHandler(), context)


@pytest.fixture(scope="module")
def ask(folder):
    """A function that sends a batch of files: statuses and answers come back."""
    started = start(folder)

    def ask(*files):
        answers = started.ask(*[{"body": file} for file in files])
        return [(answer.status, json.loads(answer.body)) for answer in answers]

    return ask


@pytest.fixture(scope="module")
def scans(model):
    """Ten files, the scan of one digit each, which the model reads right."""
    right = predict(model, HELD_OUT.pictures) == HELD_OUT.labels
    files = []
    for digit in range(10):
        places = (right & (HELD_OUT.labels == digit)).nonzero().flatten()
        kind = ("PNG", "JPEG")[digit % 2]
        files.append(file_of(scan(HELD_OUT.pictures[places[0]], room=20), kind))
    return files


def assert_answers(answer, digit):
    """The contract: the digit, its English name, and ten probabilities by name."""
    assert list(answer) == ["digit", "name", "probabilities"]
    assert answer["digit"] == digit and isinstance(answer["digit"], int)
    assert answer["name"] == NAMES[digit]
    assert list(answer["probabilities"]) == NAMES
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    best = max(answer["probabilities"], key=answer["probabilities"].get)
    assert best == NAMES[digit]


def test_the_label_file_names_the_digits():
    names = json.loads((ROOT / "handlers" / "index_to_name.json").read_text())
    assert names == {str(digit): name for digit, name in enumerate(NAMES)}


def test_n_pictures_in_n_answers_out_in_the_same_order(ask, scans):
    for order in (range(10), [7, 1, 1, 0, 9]):
        answers = ask(*[scans[digit] for digit in order])
        assert [status for status, _ in answers] == [200] * len(order)
        for (_, answer), digit in zip(answers, order, strict=True):
            assert_answers(answer, digit)


def test_a_bad_file_is_refused_alone(ask, scans):
    """Each of two bad ones, at each place of a batch of good ones."""
    for name in ("a text in bytes", "too many bytes"):
        status, bad, why = REFUSED[name]
        kind = {400: "BadRequestException", 413: "PayloadTooLargeException"}[status]
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


def test_nothing_is_left_of_an_earlier_batch(ask, scans):
    assert [status for status, _ in ask(b"", b"", b"")] == [400] * 3
    [(status, answer)] = ask(scans[8])
    assert status == 200
    assert_answers(answer, 8)


def test_every_answer_is_json_by_its_content_type(folder, scans):
    handler = DigitsHandler()
    contents = {}

    class Recorder:
        def set_response_content_type(self, index, value):
            contents[index] = value

        def set_response_status(self, *_):
            pass

    handler.context, handler.names = Recorder(), NAMES
    handler.device, handler.model = "cpu", DigitNet().eval()
    requests_ = [{"body": scans[0]}, {"data": b"x"}]
    handler.postprocess(handler.inference(handler.preprocess(requests_)))
    assert contents == {0: "application/json", 1: "application/json"}


def test_an_archive_without_names_does_not_start(folder, tmp_path):
    copy = tmp_path / "archive"
    shutil.copytree(folder, copy)
    (copy / "index_to_name.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"index_to_name\.json"):
        start(copy)


# The real server.


@pytest.fixture(scope="module")
def digits(torchserve, folder, tmp_path_factory):
    """The archive of lesson 15 on the server of the tests, batched eight at a time."""
    name = f"digits-tests-{os.getpid()}"
    export = tmp_path_factory.mktemp("export")
    lesson.run(
        "torch-model-archiver --version 1.0 --model-file models/digits.py "
        f'--model-name {name} --serialized-file "{(folder / "digits.pth").as_posix()}" '
        "--handler handlers/digits_handler.py --extra-files handlers/index_to_name.json"
        f' --export-path "{export.as_posix()}"'
    )
    archive = ROOT / "model_store" / f"{name}.mar"
    shutil.move(export / archive.name, archive)
    try:
        requests.post(
            f"{torchserve.management}/models",
            params={
                "url": archive.name,
                "model_name": name,
                "batch_size": 8,
                "max_batch_delay": 50,  # ms
                "initial_workers": 1,
                "synchronous": "true",
            },
            timeout=60,
        ).raise_for_status()
        yield f"{torchserve.inference}/predictions/{name}"
        requests.delete(f"{torchserve.management}/models/{name}", timeout=60)
    finally:
        archive.unlink()


def post(url, **body):
    return requests.post(url, timeout=60, **body)


def test_pictures_come_as_a_body_or_in_a_form(digits, scans, tmp_path):
    for digit, types in [(4, "image/png"), (5, "image/jpeg"), (4, "text/plain")]:
        file = scans[digit]
        for body in (
            {"data": file},
            {"data": file, "headers": {"Content-Type": types}},
            {"files": {"data": file}},
            {"files": {"data": ("digit", file, types)}},
        ):
            answer = post(digits, **body)
            assert answer.status_code == 200
            assert answer.headers["Content-Type"] == "application/json"
            assert_answers(answer.json(), digit)
    (tmp_path / "digit.png").write_bytes(scans[6])
    path = (tmp_path / "digit.png").as_posix()
    for options in (
        f'-X POST -T "{path}"',
        f'--data-binary "@{path}" -H "Content-Type: image/png"',
        f'-F "data=@{path}"',
    ):
        assert_answers(json.loads(lesson.output_of(f"curl {options} {digits}")), 6)


def test_the_server_refuses_what_the_handler_refuses(digits, scans, torchserve):
    described = f"{torchserve.management}/models/{digits.rpartition('/')[2]}"

    def processes():
        [model] = requests.get(described, timeout=60).json()
        return [worker["pid"] for worker in model["workers"]]

    before = processes()
    for name, (status, file, why) in REFUSED.items():
        if isinstance(file, bytes):
            answer = post(digits, data=file)
            assert answer.status_code == answer.json()["code"] == status, name
            assert answer.json()["message"].startswith(why), name
    assert post(digits, json=[[0, 16]]).status_code == 400
    assert post(digits, files={"picture": scans[3]}).status_code == 400
    assert_answers(post(digits, data=scans[3]).json(), 3)
    assert processes() == before, "a worker has been started again"


def test_callers_at_the_same_time_get_their_own_answers(digits, scans):
    order = [digit for digit in range(10) for _ in range(3)]
    files = [scans[digit] if digit else b"no picture" for digit in order]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda file: post(digits, data=file), files))
    for digit, answer in zip(order, answers, strict=True):
        if digit:
            assert_answers(answer.json(), digit)
        else:
            assert answer.status_code == 400
