import io
import json
import zipfile
from collections.abc import Callable

import numpy as np
import requests
import torch
from PIL import ExifTags, Image, ImageDraw, ImageOps

from course import pictures
from course.checks.form import Guess, Hint, call, function, same, task, told
from course.lesson import ROOT

SUM = "The ten add up to 1, so they compare the digits with each other, and no more."
guess_1 = Guess(
    {
        "a": ("about 10 %, as each digit is as likely", SUM),
        "b": ("about 50 %, it hesitates", SUM),
        "c": ("above 90 %", SUM),
    }
)


# Task 1: from the bytes of a picture to what the model takes.

SIDE = 80  # of the pictures here: each pixel of the result is 10 by 10 of them


def corner():
    """An L, two pixels thick, on white."""
    sheet = Image.new("L", (SIDE, SIDE), "white")
    sheet.paste(0, (0, 0, 20, SIDE))
    sheet.paste(0, (0, 60, SIDE, SIDE))
    return sheet


def stripes():
    """Three of ten columns are ink."""
    sheet = Image.new("L", (2 * SIDE, SIDE), "white")
    for left in range(0, 2 * SIDE, 10):
        sheet.paste(0, (left, 0, left + 3, SIDE))
    return sheet


CORNER = torch.zeros(1, 8, 8)
CORNER[:, :, :2] = CORNER[:, 6:] = 16


def sideways():
    """The L as a phone held upright stores it: turned by a quarter, with a note."""
    note = Image.Exif()
    note[ExifTags.Base.Orientation] = 6
    file = io.BytesIO()
    turned = corner().transpose(Image.Transpose.ROTATE_90)
    turned.save(file, "JPEG", quality=95, exif=note)
    return file.getvalue()


def preparing(
    mode="L",
    upright=ImageOps.exif_transpose,
    limit=True,
    way=Image.Resampling.BOX,
    scale=lambda gray: 16 - gray * 16 / 255,
    shape=(1, 8, 8),
    kind=np.float32,
):
    """The solution, or with one argument a mistake."""

    def prepare(file):
        picture = Image.open(io.BytesIO(file))
        if limit and picture.width * picture.height > 4096**2:
            raise ValueError("too many pixels")
        picture = upright(picture).convert(mode).resize(shape[-1:-3:-1], way)
        ink = scale(np.asarray(picture, dtype=kind))
        return torch.from_numpy(ink).reshape(shape if mode == "L" else ink.shape)

    return prepare


def thumbnail(file):
    picture = Image.open(io.BytesIO(file))
    if picture.width * picture.height > 4096**2:
        raise ValueError("too many pixels")
    picture = ImageOps.exif_transpose(picture).convert("L")
    picture.thumbnail((8, 8), Image.Resampling.BOX)
    return torch.from_numpy(16 - np.asarray(picture, dtype=np.float32) * 16 / 255)[None]


def asserts(file):
    picture = Image.open(io.BytesIO(file))
    assert picture.width * picture.height <= 4096**2
    return preparing(limit=False)(file)


def returns(file):
    picture = Image.open(io.BytesIO(file))
    if picture.width * picture.height > 4096**2:
        return ValueError("too many pixels")
    return preparing()(file)


@task(
    (preparing(), "Right"),
    (thumbnail, "whatever its form was"),
    (asserts, "AssertionError, and is to raise ValueError"),
    (returns, "not to return anything"),
    (preparing(mode="RGB"), 'three colors: convert("L")'),
    (preparing(way=Image.Resampling.BICUBIC), "The edges are gray"),
    (
        preparing(scale=lambda gray: np.float32((255 - gray) // 16)),
        "throws the rest away",
    ),
    (preparing(shape=(8, 8)), "The channel is missing"),
    (preparing(shape=(1, 28, 28)), "resize to (8, 8)"),
    (preparing(kind=np.float64), "float64"),
    (preparing(scale=lambda gray: gray * 16 / 255), "Paper is 16 there and ink 0"),
    (preparing(scale=lambda gray: 1 - gray / 255), "goes up to 1"),
    (preparing(scale=lambda gray: 255 - gray), "goes up to 255"),
    (preparing(scale=lambda gray: gray), "goes up to 255, and paper is not 0"),
    (preparing(scale=lambda gray: 16 - gray.T * 16 / 255), "rows and columns"),
    (preparing(scale=lambda gray: 8 + 0 * gray), "The first row is"),
    (
        preparing(scale=lambda gray: np.float32(16 - np.uint8(gray) * 16 / 255)),
        "wrap round",
    ),
    (
        preparing(scale=lambda gray: np.float32((255 - np.uint8(gray)) * 16 / 255)),
        "wrap round",
    ),
    (
        preparing(scale=lambda gray: np.float32((255 - np.uint8(gray)) * 16 // 255)),
        "wrap round",
    ),
    (preparing(shape=(1, 1, 8, 8)), "a batch: one unsqueeze"),
    (preparing(way=Image.Resampling.NEAREST), "Image.Resampling.BOX"),
    (preparing(upright=lambda picture: picture), "ImageOps.exif_transpose"),
    (preparing(limit=False), "before it looked at the size"),
    (lambda file: np.zeros((1, 8, 8)), "torch.from_numpy"),
    (lambda file: print(end=""), "Is there a return?"),
    (lambda file: Image.open(file), "is no path"),
)
def task_1(prepare: Callable):
    """write the function prepare"""
    label = "prepare(file) of a color PNG"
    try:
        found = call(label, prepare, pictures.file_of(corner().convert("RGB")))
    except Hint as hint:
        more = " Image.open(io.BytesIO(file)): file has bytes, and is no path."
        return f"{hint}{more if 'null byte' in str(hint) else ''}"
    kind = type(found).__name__
    if not isinstance(found, torch.Tensor):
        wants = "torch.from_numpy makes a tensor of an array."
        wants = "Is there a return?" if found is None else wants
        return f"{label} gives {kind}, and not a tensor. {wants}"
    shape = tuple(found.shape)
    if 3 in shape:
        return (
            f'{label} has the shape {shape}, three colors: convert("L") gives back a '
            "picture with one."
        )
    if shape == (8, 8):
        return f"{label} has the shape {shape}. The channel is missing: unsqueeze(0)."
    if shape == (1, 1, 8, 8):
        return f"{label} has the shape {shape}, a batch: one unsqueeze is enough."
    if shape != (1, 8, 8):
        return (
            f"{label} has the shape {shape}: resize to (8, 8) gives back a small "
            "picture. One channel comes before."
        )
    if found.dtype != torch.float32:
        return f"{label} is of the type {found.dtype}; the model's is torch.float32."
    if hint := what_is_wrong(found):
        return f"{label}: {hint}"
    label = "prepare(file) of stripes, three of ten columns inked"
    found = call(label, prepare, pictures.file_of(stripes()))
    if tuple(found.shape) != (1, 8, 8):
        return (
            f"{label}, twice as wide as high, has the shape {tuple(found.shape)}: "
            "resize makes it 8 by 8 whatever its form was."
        )
    if not (found - 4.8).abs().max() < 1:
        first = [round(ink, 1) for ink in found[0, 0].tolist()]
        return f"{label}, gives {first}. Image.Resampling.BOX takes means: 4.8."
    label = "prepare(file) of a photo that its EXIF turns"
    if what_is_wrong(call(label, prepare, sideways())):
        return f"{label} lies on its side: ImageOps.exif_transpose turns it upright."
    label = "prepare(file) of 5000 by 5000 pixels, cut off after its header,"
    try:
        prepare(pictures.bomb(5000)[:60])
    except ValueError:
        return "Right: ink from 0 to 16, upright, and a huge picture is not read."
    except OSError as error:
        return f"{label} raises {told(error)}: it read before it looked at the size."
    except Exception as error:
        return f"{label} raises {told(error)}, and is to raise ValueError."
    raise Hint(f"{label} is to raise ValueError, and not to return anything.")


def what_is_wrong(found):
    """With the tensor of an L, in words."""
    if close(found, CORNER):
        return None
    if (found - CORNER).abs().max() < 4 and found.max() > 15.5:
        return "The edges are gray. resize with Image.Resampling.BOX takes means."
    if close(found, 16 - CORNER):
        return "Paper is 16 there and ink 0. In the data set it is the other way round."
    wrapped = (0, 16) if found.min() == found.max() else (240 / 255, 16 - 240 / 255)
    if any((found - value).abs().min() < 0.01 for value in wrapped):
        return "Bytes of numpy wrap round: 255 * 16 is 240 there. Make float32 first."
    if close(found * 16 / 15, CORNER) and not close(found, CORNER):
        return "Ink goes up to 15: 255 // 16 throws the rest away. Try * 16 / 255."
    if close(found * 16, CORNER):
        return "Ink goes up to 1. In the data set it goes up to 16."
    if close(found / 255 * 16, CORNER):
        return "Ink goes up to 255. In the data set it goes up to 16."
    if close(16 - found / 255 * 16, CORNER):
        return (
            "It goes up to 255, and paper is not 0. Scale it to 16, and turn it round."
        )
    if close(found.mT, CORNER):
        return "It has its rows and columns swapped."
    first = [round(ink, 1) for ink in found[0, 0].tolist()]
    return f"The first row is {first}, and not {CORNER[0, 0].tolist()}."


def close(found, wanted):
    return bool((found - wanted).abs().max() < 1)


# Task 2: the answer of a handler that may abstain.


def decide(row, names, least):
    best = max(row)
    digit = row.index(best) if best >= least else None
    name = None if digit is None else names[digit]
    return {"digit": digit, "name": name, "probabilities": dict(zip(names, row))}  # noqa: B905


def falsy(row, names, least):
    found = decide(row, names, least)
    return {**found, "name": names[found["digit"]] if found["digit"] else None}


def always(row, names, least):
    return decide(row, names, 0)


def above(row, names, least):
    return decide(row, names, least if max(row) > least else 2)


def refuses(row, names, least):
    if max(row) < least:
        raise ValueError("unsure")
    return decide(row, names, least)


def short(row, names, least):
    return decide(row, names, least) if max(row) >= least else {}


def bare(row, names, least):
    found = decide(row, names, least)
    return {key: found[key] for key in ("digit", "name")}


def as_list(row, names, least):
    return {**decide(row, names, least), "probabilities": row}


def by_number(row, names, least):
    return {**decide(row, names, least), "probabilities": dict(enumerate(row))}


def in_quotes(row, names, least):
    found = decide(row, names, least)
    return {key: found[key] if found[key] is not None else "None" for key in found}


def text(row, names, least):
    found = decide(row, names, least)
    return {**found, "digit": str(found["digit"])}


def first_enough(row, names, least):
    digit = next((n for n, p in enumerate(row) if p >= least), None)
    name = None if digit is None else names[digit]
    return {**decide(row, names, least), "digit": digit, "name": name}


def turned_round(row, names, least):
    found = decide(row, names, least)
    return {**found, "digit": found["name"], "name": found["digit"]}


def its_share(row, names, least):
    found = decide(row, names, least)
    return found if found["digit"] is None else {**found, "digit": max(row)}


def rounded(row, names, least):
    shares = {name: round(p, 2) for name, p in zip(names, row, strict=True)}
    return {**decide(row, names, least), "probabilities": shares}


def filtered(row, names, least):
    found = decide(row, names, least)
    kept = {name: p for name, p in found["probabilities"].items() if p >= least}
    return {**found, "probabilities": kept}


def left_out(row, names, least):
    found = decide(row, names, least)
    return {key: found[key] for key in found if found[key] is not None}


NAMES = ["zero", "one", "two"]
task_2 = function(
    "write the function decide",
    "Right: an answer each time, and a digit where the model is sure enough.",
    decide,
    [
        ([0.25, 0.625, 0.125], NAMES, 0.5),
        ([0.25, 0.3125, 0.4375], NAMES, 0.5),
        ([0.875, 0.125, 0.0], NAMES, 0.5),
        ([0.125, 0.375, 0.5], NAMES, 0.5),
        ([0.25, 0.625, 0.125], NAMES, 0.125),
    ],
    (first_enough, "Several may reach least: the best of them is meant."),
    (turned_round, "digit is the number, name the word."),
    (its_share, "digit is the place of the best one in row, not its probability."),
    (rounded, "The probabilities as they come, unrounded."),
    (filtered, "All ten belong to the answer, large or small."),
    (left_out, "The answer keeps its form: three keys, two of them None."),
    (falsy, "The digit 0 is false to an if: compare with None."),
    (always, "Where least is not reached, digit and name are None."),
    (above, "As sure as least is sure enough."),
    (refuses, "Nobody is at fault: return an answer, without a digit."),
    (short, "The answer keeps its form: three keys, two of them None."),
    (as_list, "By name: zip(names, row) has the pairs."),
    (by_number, "By name: zip(names, row) has the pairs."),
    (in_quotes, "None is a value of Python, without quotes."),
    (bare, "The key probabilities is missing: zip(names, row)."),
    (text, "The digit is a number, for programs."),
)


# Task 3: the threshold, proven on a server.

WANTED = 0.98
NAME = "check-3"


def choose(sure, right, precision):
    for least in sorted(sure):
        kept = [ok for p, ok in zip(sure, right, strict=True) if p >= least]
        if sum(kept) >= precision * len(kept):
            return least


def the_precision(sure, right, precision):
    return precision


def the_most(sure, right, precision):
    return max(sure)


def in_any_order(sure, right, precision):
    for least in sure:
        kept = [ok for p, ok in zip(sure, right, strict=True) if p >= least]
        if sum(kept) >= precision * len(kept):
            return least


def without_itself(sure, right, precision):
    for least in sorted(sure):
        kept = [ok for p, ok in zip(sure, right, strict=True) if p > least]
        if sum(kept) >= precision * len(kept):
            return least


def strictly(sure, right, precision):
    for least in sorted(sure):
        kept = [ok for p, ok in zip(sure, right, strict=True) if p >= least]
        if sum(kept) > precision * len(kept):
            return least


def first_right(sure, right, precision):
    return min(p for p, ok in zip(sure, right, strict=True) if ok)


def of_98(sure, right, precision):
    return choose(sure, right, WANTED)


def quantile(sure, right, precision):
    return float(np.quantile(sure, 1 - precision))


def share(sure, right, precision):
    return sum(right) / len(right)


def torn_apart(sure, right, precision):
    for n, least in enumerate(sorted(sure)):
        if sum(right[n:]) >= precision * len(right[n:]):
            return least


def of_all(sure, right, precision):
    for least in sorted(sure):
        hits = sum(ok for p, ok in zip(sure, right, strict=True) if p >= least)
        if hits >= precision * len(sure):
            return least


def of_a_grid(sure, right, precision):
    for n in range(1001):
        kept = [ok for p, ok in zip(sure, right, strict=True) if p >= n / 1000]
        if sum(kept) >= precision * len(kept):
            return n / 1000


CASES = [
    ([0.625, 0.5, 0.9375, 0.875], [True, False, True, True], 0.9),
    ([0.96875, 0.6875, 0.875, 0.5625], [True, False, True, True], 0.95),
    ([0.375, 0.875, 0.75, 0.625], [False, True, True, False], 0.5),
]
MISTAKES = [
    (the_precision, "How sure a model is says not how often it is right: count that."),
    (in_any_order, "The candidates come in any order: begin with the smallest."),
    (the_most, "That keeps the fewest pictures. The smallest threshold is wanted."),
    (without_itself, "A picture that is exactly as sure is kept: p >= least."),
    (strictly, "A share that is exactly the precision is enough."),
    (of_98, "The share that is wanted comes in as precision."),
    (quantile, "That keeps a share of all pictures. Count the right ones among them."),
    (first_right, "Some that are surer than this are wrong: count all that are kept."),
    (torn_apart, "sorted(sure) no longer stands beside right: compare p >= least."),
    (of_a_grid, "Candidates are the numbers in sure."),
    (share, "That is the share of right ones without a threshold."),
]
dry = function("", "dry", choose, CASES, *MISTAKES).judge


@task(
    (choose, "Right: with"),
    *MISTAKES,
    (lambda sure, right, precision: print(end=""), "Is there a return?"),
    (of_all, "not of those that are kept?"),
    (lambda sure: 0.5, "TypeError"),
)
def task_3(choose: Callable, digits_server, photo_files, photo_labels):
    """write the function choose"""
    if (said := dry(choose)) != "dry":
        more = "Or is the share one of all pictures, and not of those that are kept?"
        return f"{said} {more}" if said.endswith("Is there a return?") else said
    labels = photo_labels
    url = f"{digits_server.inference}/predictions"
    sure, right = judged(ask(f"{url}/digits", photo_files), labels)
    least = float(call("choose", choose, [*sure], [*right], WANTED))
    with Beside(digits_server, least):
        answers = ask(f"{url}/{NAME}", photo_files)
    kept = [n for n, answer in enumerate(answers) if answer["digit"] is not None]
    hits = sum(answers[n]["digit"] == labels[n] for n in kept)
    counts = (
        f"with {least:.3f} the server answers {len(kept)} of {len(labels)} photos, "
        f"{hits} of them right. Without, {sum(right)} of {len(labels)} were right."
    )
    if not kept or hits < WANTED * len(kept):
        raise Hint(f"Not so on the server: {counts}")
    return f"Right: {counts}"


def ask(url, files):
    """What the server answers to each file."""
    with requests.Session() as session:
        answers = [session.post(url, data=file, timeout=30) for file in files]
    for answer in answers:
        answer.raise_for_status()
    return [answer.json() for answer in answers]


def judged(answers, labels):
    """How sure the model was of its best digit, and whether that is right."""
    rows = [[*answer["probabilities"].values()] for answer in answers]
    pairs = zip(rows, labels, strict=True)
    return [max(row) for row in rows], [row.index(max(row)) == it for row, it in pairs]


class Beside:
    """The model digits once more on the server, with a threshold, as NAME."""

    def __init__(self, server, least):
        self.models, self.least = f"{server.management}/models", least
        self.archive = ROOT / "model_store" / f"{NAME}.mar"

    def __enter__(self):
        [served, *_] = requests.get(f"{self.models}/digits", timeout=30).json()
        with (
            zipfile.ZipFile(self.archive.with_name(served["modelUrl"])) as old,
            zipfile.ZipFile(self.archive, "w") as new,
        ):
            for name in {*old.namelist()} - {"MAR-INF/MANIFEST.json", "config.yaml"}:
                new.writestr(name, old.read(name))
            manifest = json.loads(old.read("MAR-INF/MANIFEST.json"))
            manifest["model"]["configFile"] = "config.yaml"
            new.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
            settings = f"handler:\n  least_probability: {self.least}\n"
            new.writestr("config.yaml", settings)
        query = {"url": self.archive.name, "model_name": NAME, "initial_workers": 1}
        query |= {"synchronous": "true"}
        requests.post(self.models, params=query, timeout=60).raise_for_status()

    def __exit__(self, *_):
        requests.delete(f"{self.models}/{NAME}", timeout=30)
        self.archive.unlink()


# Task 4: a drawing that the server answers.


def line(*points, ink="black"):
    return lambda pen: pen.line(points, ink, 40)


@task(
    (line((210, 80), (370, 80), (270, 340)), "Right"),
    (line((300, 80), (300, 340)), "It reads a 1"),
    (line((250, 80), (330, 80), (270, 340)), "leaves it open"),
    (lambda pen: print(end=""), "still blank"),
    (line((900, 80), (970, 80)), "still blank"),
    (line((210, 80), (370, 340), ink="white"), "still blank"),
    (line((210, 80), (370, 340), ink="blak"), "draw_seven(pen) raises ValueError"),
    (lambda: 7, "draw_seven(pen) raises TypeError"),
)
def task_4(draw: Callable, digits_at):
    """write the function draw_seven"""
    paper = Image.new("RGB", (600, 400), pictures.PAPER)
    call("draw_seven(pen)", draw, ImageDraw.Draw(paper))
    answer = requests.post(digits_at, data=pictures.file_of(paper), timeout=30)
    if not answer.ok:
        return "The paper is still blank. Do the points lie on it, and is the ink dark?"
    said = answer.json()
    best = max(said["probabilities"], key=said["probabilities"].get)
    percent = int(100 * said["probabilities"][best])
    if said["digit"] is None:
        return f"The server leaves it open: {best}, {percent} %. Draw it more clearly."
    if not same(said["digit"], 7):
        return (
            f"It reads a {said['digit']} ({percent} %). Compare with the figure's 7s."
        )
    return f"Right: the server reads a 7 and is {percent} % sure."
