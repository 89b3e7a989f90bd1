"""The checks of lesson 15: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
    """Statuses: a TIFF, a long PNG, a tiny JPEG, white on clear, white on black."""
    if answer is None:
        print("Not answered yet: put a list of five statuses into answer_1, run both.")
        return
    if not isinstance(answer, (list, tuple)) or len(answer) != 5:
        print("answer_1 has to be a list of five: one status for each picture.")
        return
    hints = [
        (400, "Does the handler ever learn the file's name? What does it look at?"),
        (413, "How many pixels are that, and how many are allowed?"),
        (200, "Is there a smallest size? What has to happen to 8 by 8 pixels?"),
        (400, "What becomes of a transparent place? And then, where is the ink?"),
        (200, "Which color has the edge of the picture? Then what is ink?"),
    ]
    for number, (given, (right, hint)) in enumerate(
        zip(answer, hints, strict=True), start=1
    ):
        if given != right:
            print(f"Picture {number}: not {given!r}. {hint}")
            return
    print("Right: two that are read, and three that are refused for three reasons.")


def exercise_2(draw, model):
    """A function that draws a 7 of which the model is at least 90 percent sure."""
    import io

    import torch
    from PIL import Image, ImageDraw
    from ts.utils.util import PredictionException

    from handlers.digits_handler import read_picture

    if draw is None:
        print("Not answered yet: write the function draw_seven and run both cells.")
        return
    if not callable(draw):
        print(f"draw_seven is a {type(draw).__name__}; make it a function of a pen.")
        return
    paper = Image.new("RGB", (600, 400), (250, 245, 230))
    try:
        draw(ImageDraw.Draw(paper))
    except (TypeError, ValueError, NameError, AttributeError) as error:
        print(f"draw_seven failed: {error}")
        return
    file = io.BytesIO()
    paper.save(file, "PNG")
    try:
        picture = read_picture(file.getvalue())
    except PredictionException:
        print("The paper is still blank. Do the points lie on it, and is the ink dark?")
        return
    with torch.inference_mode():
        [row] = model(picture.unsqueeze(0)).softmax(dim=1).tolist()
    digit = row.index(max(row))
    percent = int(100 * max(row))
    if digit != 7:
        print(f"It reads a {digit} ({percent} %). Compare with the first figure's 7s.")
    elif percent < 90:
        print(f"A 7, but only {percent} %. What have the first figure's 7s more?")
    else:
        print(f"Right: the model reads a 7 and is {percent} % sure.")
