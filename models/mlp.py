"""A network of 1.8 million parameters, made for measuring: nobody trains it."""

from pathlib import Path

import torch
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("mlp.pth")


class MLP(nn.Module):
    """Three linear layers: 128 numbers in, 10 scores out."""

    def __init__(self, inputs: int = 128, hidden: int = 1280, outputs: int = 10):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs of shape (n, 128) to scores of shape (n, 10)."""
        return self.layers(x)


def make(seed: int = 0) -> MLP:
    """A model with random weights, the same for the same seed."""
    torch.manual_seed(seed)
    return MLP().eval()
