"""The model of the series: a straight line."""

from torch import Tensor, nn


class SimpleLinearModel(nn.Module):
    """Learns y = weight * x + bias from examples."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs of shape (n, 1) to predictions of shape (n, 1)."""
        return self.linear(x)
