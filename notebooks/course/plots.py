"""The figures of the lessons: what was learned, and what was measured."""

from collections.abc import Iterable

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn

from course.traffic import Load

SIZE = {"font.size": 16}  # readable from the back row


def training(losses: list[float], model: nn.Module, xs: Tensor, ys: Tensor) -> None:
    """Draw the loss of each step, and the model's line through the points."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    left.plot(losses)
    left.set(title="The loss falls", xlabel="step", ylabel="mean squared error")
    left.set_yscale("log")
    right.plot(xs.numpy(), ys.numpy(), "o", markersize=10, label="the points")
    with torch.inference_mode():
        right.plot(xs.numpy(), model(xs).numpy(), "--", label="what the model learned")
    right.set(title="The line fits", xlabel="x", ylabel="y")
    right.legend()
    plt.show()


def latency(latencies: dict[str, list[float]]) -> None:
    """Draw, for each way to get an answer, how many came within so many ms."""
    with plt.rc_context(SIZE | {"lines.linewidth": 3}):
        figure, axes = plt.subplots(figsize=(10, 3.6), layout="constrained")
        styles = ("-", "--", ":")
        for (name, times), style in zip(latencies.items(), styles, strict=False):
            percent = [100 * (i + 1) / len(times) for i in range(len(times))]
            axes.plot(sorted(times), percent, style, label=name)
        for level, name in [(50, "median"), (99, "p99")]:
            axes.axhline(level, color="gray", linewidth=1)
            place = axes.get_yaxis_transform()
            axes.text(0.4, level, name, transform=place, va="bottom")
        axes.set(xscale="log", xlabel="latency in ms, each step ten times as long")
        axes.set(ylabel="answered, in percent", title="One request at a time")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.legend()
        plt.show()


def throughput(clients: list[int], rows: dict[str, list[float]]) -> None:
    """Draw, for each server, the answers per second for a number of clients."""
    with plt.rc_context(SIZE | {"lines.linewidth": 3}):
        figure, axes = plt.subplots(figsize=(10, 3.6), layout="constrained")
        for (name, row), style in zip(rows.items(), ("C1--s", "C2:^"), strict=False):
            axes.plot(clients, row, style, markersize=10, label=name)
        highest = 1.2 * max(max(row) for row in rows.values())
        axes.set(xscale="log", title="Throughput", ylim=(0, highest))
        axes.set_xticks(clients, clients)
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.set(xlabel="clients at the same time", ylabel="answers per second")
        axes.legend(loc="lower right")
        plt.show()


def bars(labels: list[str], settings: str, panels: dict[str, Iterable[float]]) -> None:
    """A panel for each title, and in it a bar for each label, with its number.

    settings says what the labels are.
    """
    with plt.rc_context(SIZE):
        _, axes = plt.subplots(1, len(panels), figsize=(13, 3), layout="constrained")
        for axis, (title, numbers) in zip(axes, panels.items(), strict=True):
            drawn = axis.barh(labels, [*numbers])
            axis.bar_label(drawn, fmt="{:,.0f}", padding=4)
            axis.margins(x=0.2)
            axis.set_title(title)
            axis.invert_yaxis()
        axes[0].set_ylabel(settings)
        plt.show()


def waits(due: Iterable[float], loads: dict[str, Load]) -> None:
    """How long each request waited, over the time when it was due."""
    with plt.rc_context(SIZE):
        plt.figure(figsize=(13, 3), layout="constrained")
        for (name, load), marker in zip(loads.items(), "ox+", strict=False):
            plt.plot(due, load.answered, marker, label=name)
        plt.xlabel("when the request was due, in s")
        plt.ylabel("wait, in ms")
        plt.legend()
        plt.show()
