"""The right answers, straight from the models: course.contract holds servers to them.

Each function takes the inputs of one request by name, and gives what the server has to
say to it.
"""

import json
from functools import cache
from pathlib import Path

import torch

import models.train
from models.wines import WineNet

WINES = Path(__file__).with_name("wines.pth")
NAMES = Path(__file__).parents[1] / "handlers" / "wines.json"


@cache
def _line():
    return models.train.load()


@cache
def _wines():
    model = WineNet()
    model.load_state_dict(torch.load(WINES, weights_only=True))
    return model.eval()


def line(inputs: dict[str, float]) -> float:
    """What SimpleLinearModel says to {"number": 5}."""
    return models.train.predict(_line(), inputs["number"])


def wines(inputs: dict[str, float], model: torch.nn.Module | None = None) -> dict:
    """What WineNet says to 13 numbers: the class, and a probability for each."""
    names = json.loads(NAMES.read_text(encoding="utf-8"))
    row = torch.tensor([[inputs[name] for name in names["inputs"]]])
    with torch.inference_mode():
        [shares] = (model or _wines())(row).softmax(dim=1).tolist()
    probabilities = dict(zip(names["classes"], shares, strict=True))
    return {
        "class": max(probabilities, key=probabilities.get),
        "probabilities": probabilities,
    }
