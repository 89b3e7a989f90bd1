import io
from collections.abc import Callable

import torch
from PIL import Image, ImageDraw
from ts.utils.util import PredictionException

from course.checks.form import call, parts, task

task_1 = parts(
    "put a list of five statuses into answer_1, run both",
    "Right: two that are read, and three that are refused for three reasons.",
    ("Picture 1", 400, "Does the handler learn the name? What does it look at?"),
    ("Picture 2", 413, "How many pixels are that, and how many are allowed?"),
    ("Picture 3", 200, "Is there a smallest size? What becomes of the 8 by 8?"),
    ("Picture 4", 400, "What becomes of a clear place? Where is the ink then?"),
    ("Picture 5", 200, "Which color has the picture's edge? Then what is ink?"),
)


def line(*points, ink="black"):
    return lambda pen: pen.line(points, ink, 40)


@task(
    (line((210, 80), (370, 80), (270, 340)), "Right"),
    (line((300, 80), (300, 340)), "It reads a 1"),
    (line((250, 80), (330, 80), (270, 340)), "A 7, but only"),
    (lambda pen: None, "still blank"),
    (line((900, 80), (970, 80)), "still blank"),
    (line((210, 80), (370, 340), ink="white"), "still blank"),
    (line((210, 80), (370, 340), ink="blak"), "draw_seven(pen) raises ValueError"),
    (lambda: None, "draw_seven(pen) raises TypeError"),
)
def task_2(draw: Callable, model):
    """write the function draw_seven and run both cells"""
    from handlers.digits_handler import read_picture

    paper = Image.new("RGB", (600, 400), (250, 245, 230))
    call("draw_seven(pen)", draw, ImageDraw.Draw(paper))
    file = io.BytesIO()
    paper.save(file, "PNG")
    try:
        picture = read_picture(file.getvalue())
    except PredictionException:
        return "The paper is still blank. Do the points lie on it, and is the ink dark?"
    with torch.inference_mode():
        [row] = model(picture.unsqueeze(0)).softmax(dim=1).tolist()
    digit = row.index(max(row))
    percent = int(100 * max(row))
    if digit != 7:
        return f"It reads a {digit} ({percent} %). Compare with the first figure's 7s."
    if percent < 90:
        return f"A 7, but only {percent} %. What have the first figure's 7s more?"
    return f"Right: the model reads a 7 and is {percent} % sure."
