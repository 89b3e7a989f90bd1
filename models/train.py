"""Train SimpleLinearModel on y = 2x - 1: run `python -m models.train` at the root."""

import os
from pathlib import Path

import torch
from torch import Tensor, nn

from models.linear import SimpleLinearModel

WEIGHTS = Path(__file__).with_name("model.pth")

# Six points on y = 2x - 1, one row each: shape (6, 1).
XS = torch.tensor([[-1.0], [0.0], [1.0], [2.0], [3.0], [4.0]])
YS = torch.tensor([[-3.0], [-1.0], [1.0], [3.0], [5.0], [7.0]])


def train(
    steps: int = 500, seed: int = 0, xs: Tensor = XS, ys: Tensor = YS
) -> tuple[SimpleLinearModel, list[float]]:
    """Fit a line through points with gradient descent: xs and ys of shape (n, 1).

    Returns the trained model and the loss (mean squared error) before each step.
    The same seed gives the same weights on the same machine.
    """
    torch.manual_seed(seed)
    model = SimpleLinearModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss_function = nn.MSELoss()

    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_function(model(xs), ys)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


def save(model: nn.Module, path: Path = WEIGHTS) -> None:
    """Save the model's state dict, so that a reader never finds half a file."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    torch.save(model.state_dict(), unfinished)
    unfinished.replace(path)


def load(path: Path = WEIGHTS) -> SimpleLinearModel:
    """The model with a saved state dict, ready to predict."""
    model = SimpleLinearModel()
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def predict(model: nn.Module, x: float) -> float:
    """The model's answer for one number."""
    with torch.inference_mode():
        return model(torch.tensor([[x]])).item()


if __name__ == "__main__":
    model, losses = train()
    save(model)
    print(f"loss {losses[0]:.2f} -> {losses[-1]:.6f}")
    print(f"prediction for 5: {predict(model, 5.0):.4f} (the line says 9)")
    print(f"saved {WEIGHTS.parent.name}/{WEIGHTS.name}")
