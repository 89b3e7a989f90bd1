"""The model: what it learns, and that its weights survive being saved."""

import subprocess
import sys

import pytest
import torch

from models.linear import SimpleLinearModel
from models.train import XS, YS, predict, save, train


@pytest.fixture(scope="module")
def trained():
    """The model and its losses."""
    return train()


def test_it_learns_the_line(trained):
    model, losses = trained
    assert predict(model, 5.0) == pytest.approx(9, abs=0.05)
    assert model(XS).flatten().tolist() == pytest.approx(
        YS.flatten().tolist(), abs=0.05
    )
    assert losses[-1] < 0.001 < losses[0]


def test_the_same_seed_gives_the_same_weights(trained):
    torch.rand(7)  # whatever was drawn before must not matter
    again, _ = train()
    other, _ = train(seed=1)
    assert predict(again, 5.0) == predict(trained[0], 5.0)
    assert predict(other, 5.0) != predict(trained[0], 5.0)


def test_saved_weights_give_the_same_prediction(trained, tmp_path):
    path = tmp_path / "model.pth"
    save(trained[0], path)
    reloaded = SimpleLinearModel()
    reloaded.load_state_dict(torch.load(path, weights_only=True))
    assert predict(reloaded, 5.0) == predict(trained[0], 5.0)
    assert list(tmp_path.iterdir()) == [path], "save left an unfinished file behind"


def test_training_from_a_terminal(project_copy):
    root = project_copy()
    finished = subprocess.run(
        [sys.executable, "-m", "models.train"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "prediction for 5: 8.99" in finished.stdout
    weights = torch.load(root / "models" / "model.pth", weights_only=True)
    assert sorted(weights) == ["linear.bias", "linear.weight"]
