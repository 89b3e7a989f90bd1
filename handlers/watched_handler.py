"""SimpleLinearHandler with two metrics of its own.

Its archive has to hold model_handler.py as well, so pack that with --extra-files. The
metrics address shows what config/metrics.yaml declares.
"""

from model_handler import SimpleLinearHandler
from ts.metrics.metric_type_enum import MetricTypes

LEARNED = (-1.0, 4.0)  # the smallest and the largest number of the training
MAX_DISTANCE = 1e9  # TorchServe drops a value that Python writes as 1e+16


class WatchedHandler(SimpleLinearHandler):
    """Answers as SimpleLinearHandler does, and counts what comes in.

    refused_inputs_total, a counter: the requests answered with 400.
    input_distance, a histogram: how far each other number lies outside of LEARNED.
    """

    def preprocess(self, requests):
        """Turn n requests into an (n, 1) tensor, and count them."""
        inputs = super().preprocess(requests)
        metrics = self.context.metrics
        metrics.add_counter("refused_inputs_total", len(self.refused))
        smallest, largest = LEARNED
        for index, number in enumerate(inputs.flatten().tolist()):
            if index not in self.refused:
                distance = max(smallest - number, 0.0, number - largest)
                metrics.add_metric(
                    "input_distance",
                    min(distance, MAX_DISTANCE),
                    unit="number",
                    metric_type=MetricTypes.HISTOGRAM,
                )
        return inputs
