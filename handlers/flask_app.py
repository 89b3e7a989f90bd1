"""How Flask turns a request into a prediction of SimpleLinearModel.

Start it at the root of the project: flask --app handlers.flask_app run --port 5001
"""

import json

import torch
from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from models.linear import SimpleLinearModel
from models.train import WEIGHTS

EXPECTED = (
    'expected one finite number, as the form field "value" or as JSON: {"value": 5}'
)

app = Flask(__name__)
MAX_BYTES = 1024  # a number needs far fewer
app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES

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
    # float32 ends at 3.4e38, and the model doubles its input. NaN fails here as well.
    if not -1e38 <= value <= 1e38:
        raise ValueError("too large or not finite")
    return float(value)


@app.get("/ping")
def ping():
    """Say that the model is loaded and requests are welcome."""
    return {"status": "Healthy"}


@app.post("/predict")
def predict():
    """Answer one number with the model's prediction for it."""
    try:
        body = request.get_data()
        if len(body) >= MAX_BYTES:  # where no length was announced, Flask cuts it here
            raise RequestEntityTooLarge
        if request.is_json:
            number = parse_number(json.loads(body)["value"])
        else:
            number = parse_number(request.form.get("value"))
    except RequestEntityTooLarge:
        abort(413, EXPECTED)
    except (ValueError, TypeError, KeyError, RecursionError):
        abort(400, EXPECTED)
    with torch.inference_mode():
        prediction = model(torch.tensor([[number]])).item()
    return {"input": number, "prediction": prediction}


@app.errorhandler(HTTPException)
def as_json(error):
    """Answer every error in JSON: Flask's own pages are HTML, made for people."""
    body = {"code": error.code, "type": error.name, "message": error.description}
    response = error.get_response()  # has the headers of this error: 405 needs Allow
    response.data = json.dumps(body)
    response.content_type = "application/json"
    return response
