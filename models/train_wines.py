"""Train WineNet on scikit-learn's 178 wines: run `python -m models.train_wines`."""

from pathlib import Path
from typing import NamedTuple

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

import models.train
from models.wines import WineNet

WEIGHTS = Path(__file__).with_name("wines.pth")


class Wines(NamedTuple):
    """What was measured (n, 13), and the class of each wine: (n,)."""

    numbers: Tensor
    labels: Tensor


def load_data() -> tuple[Wines, Wines]:
    """The wines to learn from, and a quarter that is held out for the test.

    Both have each class in the same share. The split is the same every time.
    """
    data = load_wine()
    parts = train_test_split(
        torch.tensor(data.data, dtype=torch.float32),
        torch.tensor(data.target),
        test_size=0.25,
        stratify=data.target,
        random_state=0,
    )
    return Wines(*parts[0::2]), Wines(*parts[1::2])


def train(model: nn.Module, wines: Wines, steps: int = 100) -> nn.Module:
    """Set the model's means and scales from these wines, then fit its weights."""
    model.means.copy_(wines.numbers.mean(dim=0))
    model.scales.copy_(wines.numbers.std(dim=0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        scores = model(wines.numbers)
        nn.functional.cross_entropy(scores, wines.labels).backward()
        optimizer.step()
    return model.eval()


def accuracy(model: nn.Module, wines: Wines) -> float:
    """The share of wines whose class the model finds."""
    with torch.inference_mode():
        found = model(wines.numbers).argmax(dim=1)
    return (found == wines.labels).double().mean().item()


def make(seed: int = 0) -> WineNet:
    """The trained model; the same seed gives the same one on the same machine."""
    torch.manual_seed(seed)
    learned, _ = load_data()
    return train(WineNet(), learned)


def save(model: nn.Module, path: Path = WEIGHTS) -> None:
    """Save the model's state dict, so that a reader never finds half a file."""
    models.train.save(model, path)


def load(path: Path = WEIGHTS) -> WineNet:
    """The model with a saved state dict, ready to predict."""
    model = WineNet()
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


if __name__ == "__main__":
    _, held_out = load_data()
    model = make()
    save(model)
    print(f"{accuracy(model, held_out):.1%} of {len(held_out.labels)} held-out wines")
    print(f"saved {WEIGHTS.parent.name}/{WEIGHTS.name}")
