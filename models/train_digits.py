"""Train DigitNet on scikit-learn's digits: run `python -m models.train_digits`."""

import math
import os
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

import models.train
from models.digits import DigitNet

WEIGHTS = Path(__file__).with_name("digits.pth")


class Digits(NamedTuple):
    """Pictures (n, 1, 8, 8) with ink from 0 to 16, and the digit on each: (n,)."""

    pictures: Tensor
    labels: Tensor


def load_data() -> tuple[Digits, Digits, Digits]:
    """The digits to learn from, an eighth to choose with, and an eighth for the test.

    Each has every digit in the same share. The split is the same every time.
    """
    data = load_digits()
    pictures = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)
    learned, held_out = split(Digits(pictures, torch.tensor(data.target)), 0.25)
    return learned, *split(held_out, 0.5)


def split(digits: Digits, share: float) -> tuple[Digits, Digits]:
    """Deal the digits out into two heaps; the second gets the share."""
    parts = train_test_split(
        *digits, test_size=share, stratify=digits.labels, random_state=0
    )
    return Digits(*parts[0::2]), Digits(*parts[1::2])


def vary(pictures: Tensor) -> Tensor:
    """Turn, slant, widen and move each picture (n, 1, 8, 8) a little, at random."""

    def random(most: float) -> Tensor:
        return (2 * torch.rand(len(pictures)) - 1) * most

    angle, slant = random(math.radians(12)), random(0.15)
    width = torch.exp(random(0.15))
    # Half the picture has length 1 here: 0.35 is 1.4 pixels.
    right, down = random(0.35), random(0.175)
    first = torch.stack([angle.cos() * width, slant - angle.sin(), right], dim=1)
    second = torch.stack([angle.sin(), angle.cos(), down], dim=1)
    grid = functional.affine_grid(
        torch.stack([first, second], dim=1), list(pictures.shape), align_corners=False
    )
    return functional.grid_sample(pictures, grid, align_corners=False)


def train(digits: Digits, epochs: int = 30, seed: int = 0) -> DigitNet:
    """Fit a network to the digits, with a progress bar.

    An epoch shows each picture once, varied anew. The same seed gives the same network
    on the same machine.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more would wait for each other: the batches are small
    torch.manual_seed(seed)
    model = DigitNet()
    batches = math.ceil(len(digits.labels) / 64)
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=6e-3, total_steps=epochs * batches
    )
    # Read here: tqdm reads it too, but when torch imports it, which may be too early.
    quiet = "TQDM_DISABLE" in os.environ
    for _ in tqdm(
        range(epochs), desc="training", unit="epoch", file=sys.stdout, disable=quiet
    ):
        for rows in torch.randperm(len(digits.labels)).split(64):
            optimizer.zero_grad()
            scores = model(vary(digits.pictures[rows]))
            functional.cross_entropy(scores, digits.labels[rows]).backward()
            optimizer.step()
            schedule.step()
    torch.set_num_threads(threads)
    return model.eval()


def save(model: DigitNet, path: Path = WEIGHTS) -> None:
    """Save the model's state dict, so that a reader never finds half a file."""
    models.train.save(model, path)


def load(path: Path = WEIGHTS) -> DigitNet:
    """The model with a saved state dict, ready to predict."""
    model = DigitNet()
    model.load_state_dict(torch.load(path))
    return model.eval()


def predict(model: DigitNet, pictures: Tensor) -> Tensor:
    """The most likely digit (n,) of each picture (n, 1, 8, 8)."""
    with torch.inference_mode():
        return model(pictures).argmax(dim=1)


def accuracy(model: DigitNet, digits: Digits) -> float:
    """The share of digits that the model reads right."""
    return (predict(model, digits.pictures) == digits.labels).double().mean().item()


if __name__ == "__main__":
    learned, _, test = load_data()
    model = train(learned)
    save(model)
    print(f"{accuracy(model, test):.1%} of {len(test.labels)} digits of the test")
    print(f"saved {WEIGHTS.parent.name}/{WEIGHTS.name}")
