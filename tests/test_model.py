"""The model: its weights follow from the seed and survive being saved."""

import pytest

from models.train import load, predict, save, train


@pytest.fixture(scope="module")
def model():
    """The trained model."""
    return train()[0]


def test_the_same_seed_gives_the_same_weights(model):
    assert predict(train()[0], 5.0) == predict(model, 5.0)
    assert predict(train(seed=1)[0], 5.0) != predict(model, 5.0)


def test_saved_weights_give_the_same_prediction(model, tmp_path):
    path = tmp_path / "model.pth"
    other, _ = train(seed=1)
    save(model, path)
    save(other, path)
    reloaded = load(path)
    assert predict(reloaded, 5.0) == predict(other, 5.0)
    assert not reloaded.training
    assert list(tmp_path.iterdir()) == [path], "save left an unfinished file behind"
