"""How Flask turns a request into a prediction of SimpleLinearModel.

Start it at the root of the project: flask --app handlers.flask_app run --port 5001
"""

import json

import torch
from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException

from models.linear import SimpleLinearModel
from models.train import WEIGHTS

EXPECTED = (
    'expected one finite number, as the form field "value" or as JSON: {"value": 5}'
)

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1024  # bytes; a number needs far fewer

if not WEIGHTS.exists():
    raise SystemExit(f"{WEIGHTS} is missing. Train the model: python -m models.train")
model = SimpleLinearModel()
model.load_state_dict(torch.load(WEIGHTS, weights_only=True))
model.eval()


def parse_number(value) -> float:
    """Return the number that a client sent, or raise ValueError."""
    if isinstance(value, str):
        if "_" in value:  # float() reads 1_000 as 1000
            raise ValueError("not a number")
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("not a number")
    # The model computes in float32, which ends at 3.4e38. NaN fails this test as well.
    if not -1e38 <= value <= 1e38:
        raise ValueError("not finite")
    return float(value)


@app.get("/ping")
def ping():
    """Say that the model is loaded and requests are welcome."""
    return {"status": "Healthy"}


@app.post("/predict")
def predict():
    """Answer one number with the model's prediction for it."""
    try:
        if request.is_json:
            number = parse_number(json.loads(request.get_data())["value"])
        else:
            number = parse_number(request.form.get("value"))
    except (ValueError, TypeError, KeyError, RecursionError):
        abort(400, EXPECTED)
    with torch.inference_mode():
        prediction = model(torch.tensor([[number]])).item()
    return {"input": number, "prediction": prediction}


@app.errorhandler(HTTPException)
def as_json(error):
    """Answer every error in JSON: Flask's own pages are HTML, made for people."""
    body = {"code": error.code, "type": error.name, "message": error.description}
    return body, error.code
