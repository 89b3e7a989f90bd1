"""The figures of the lessons say what they show."""

import matplotlib.pyplot as plt
from course import plots, traffic

from models.train import XS, YS, train


def test_every_axis_has_its_label(monkeypatch):
    drawn = []
    monkeypatch.setattr(plt, "show", lambda: drawn.append(plt.gcf().axes))
    model, losses = train(steps=3)
    plots.training(losses, model, XS, YS)
    plots.latency({"directly": [0.02, 0.03], "Flask": [1.0, 2.0]})
    plots.throughput([1, 2], {"TorchServe": [700, 900], "Flask": [800, 900]})
    plt.close("all")
    assert [len(axes) for axes in drawn] == [2, 1, 1]
    for axis in sum(drawn, []):
        assert axis.get_xlabel() and axis.get_ylabel() and axis.get_title()


def test_bars_and_waits_show_their_numbers(monkeypatch):
    monkeypatch.setattr(plots.plt, "show", lambda: None)
    plots.bars(["a", "b"], "settings", {"more is better": [1, 2], "ms": iter([3, 4])})
    left, right = plt.gcf().axes
    assert (left.get_ylabel(), left.get_title()) == ("settings", "more is better")
    assert [text.get_text() for text in right.texts] == ["3", "4"]
    plots.waits([0.1, 0.2], {"mlp": traffic.Load([(200, 0.5)] * 2, seconds=1.0)})
    [axis] = plt.gcf().axes
    assert axis.get_xlabel().endswith(" s") and axis.get_ylabel().endswith(" ms")
    assert list(axis.lines[0].get_ydata()) == [500, 500]
    plt.close("all")
