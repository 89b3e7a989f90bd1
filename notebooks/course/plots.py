"""Figures of what lesson 10 measures."""

from collections.abc import Iterable

import matplotlib.pyplot as plt

from course.traffic import Load

SIZE = {"font.size": 16}  # readable from the back row


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
