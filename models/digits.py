"""A small convolutional network that reads scanned digits."""

from torch import Tensor, nn


class DigitNet(nn.Module):
    """Tells the digits 0 to 9 apart in pictures of 8 by 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(32 * 4 * 4, 10),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures (n, 1, 8, 8), ink from 0 to 16, to scores (n, 10)."""
        return self.layers(pictures / 16)
