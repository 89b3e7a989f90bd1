"""How TorchServe turns requests into predictions of MLP: bytes in, bytes out.

A request is the 128 inputs as float32 in little-endian order, one after the other, with
the header Content-Type: application/octet-stream. The answer is the 10 scores in the
same form. Nothing has to be written as text and read again.
"""

import torch
from ts.torch_handler.base_handler import BaseHandler

MAX_NUMBER = 1e6  # far from where float32 ends, so that no score is infinite


class MLPHandler(BaseHandler):
    """Answers a batch: n requests in, n answers out, in the same order."""

    def initialize(self, context):
        """Load the model; compute on one thread.

        Each worker would take all cores for itself, and they would wait for each other.
        """
        torch.set_num_threads(1)
        super().initialize(context)
        self.inputs = self.model.layers[0].in_features
        self.expected = (
            f"expected {self.inputs} numbers as little-endian float32, "
            f"{4 * self.inputs} bytes, each from {-MAX_NUMBER:g} to {MAX_NUMBER:g}, "
            "with the header Content-Type: application/octet-stream"
        )

    def preprocess(self, requests):
        """Turn n requests into an (n, inputs) tensor; note which ones are refused."""
        blank = bytes(4 * self.inputs)  # keeps the place of a request in the batch
        bodies = [request.get("body") for request in requests]
        right = [isinstance(b, bytearray) and len(b) == len(blank) for b in bodies]
        rows = [b if ok else blank for b, ok in zip(bodies, right, strict=True)]
        numbers = torch.frombuffer(bytearray().join(rows), dtype=torch.float32)
        numbers = numbers.reshape(-1, self.inputs)
        small = (numbers.abs() <= MAX_NUMBER).all(dim=1).tolist()  # false for NaN too
        bad = [n for n, fine in enumerate(right) if not (fine and small[n])]
        numbers[bad] = 0
        # A dictionary: place in the batch -> (status, message).
        self.refused = dict.fromkeys(bad, (400, self.expected))
        return numbers.to(self.device)

    def inference(self, inputs):
        """Run the model: (n, inputs) in, (n, outputs) out."""
        with torch.inference_mode():
            return self.model(inputs)

    def postprocess(self, outputs):
        """Turn an (n, outputs) tensor into n answers: bytes, or why it is refused."""
        answers = [row.tobytes() for row in outputs.cpu().numpy()]
        for index in range(len(answers)):
            self.context.set_response_content_type(index, "application/octet-stream")
        for index, (status, message) in self.refused.items():
            self.context.set_response_content_type(index, "application/json")
            self.context.set_response_status(status, "Bad Request", index)
            answers[index] = {
                "code": status,
                "type": "BadRequestException",
                "message": message,
            }
        return answers
