"""The metrics page of a server, as numbers.

    page = read(torchserve.metrics)
    page.total("Requests4XX")                      # all samples of this name, added up
    page.total("input_distance_bucket", le="5.0")  # those with this label alone
    page.kinds()                                   # {"counter": ["Requests4XX", …], …}

A line of the page is a sample: a name, labels in braces, a value. A line "# TYPE" names
the kind of the metric below it.
"""

import re
from typing import NamedTuple

import requests

SAMPLE = re.compile(r"(?P<name>[\w:]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
TYPE = re.compile(r"# TYPE (?P<name>\S+) (?P<kind>\S+)")


class Sample(NamedTuple):
    name: str
    labels: dict[str, str]
    value: float


class Page:
    """What one look at the page has seen.

    Attributes:
        text: the page itself.
        samples: its numbers.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = [
            Sample(
                found["name"],
                dict(LABEL.findall(found["labels"] or "")),
                float(found["value"]),
            )
            for found in map(SAMPLE.match, text.splitlines())
            if found
        ]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have all these labels; 0 of none."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def kinds(self) -> dict[str, list[str]]:
        """The names of the metrics of each kind, sorted."""
        found = {}
        for name, kind in TYPE.findall(self.text):
            found.setdefault(kind, []).append(name)
        return {kind: sorted(names) for kind, names in sorted(found.items())}


def read(address: str) -> Page:
    """Look at the metrics page of a server: its metrics address, without the path."""
    answer = requests.get(f"{address}/metrics", timeout=30)
    answer.raise_for_status()
    return Page(answer.text)
