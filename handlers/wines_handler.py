"""How TorchServe turns 13 numbers by name into the class of a wine."""

import json
from pathlib import Path

import torch
from ts.torch_handler.base_handler import BaseHandler

LARGEST = 1e6  # far from where float32 ends, and from every wine


class WinesHandler(BaseHandler):
    """Answers a batch: n requests in, n answers out, in the same order.

    A request is a JSON object of numbers by name. An answer is
    {"class": "class_1", "probabilities": {"class_0": 0.01, …}}.
    """

    def initialize(self, context):
        """Load the model and, from wines.json in the archive, the names."""
        super().initialize(context)
        torch.set_num_threads(1)  # for 13 numbers a second one costs more than it gives
        folder = Path(context.system_properties["model_dir"])
        names = json.loads((folder / "wines.json").read_text(encoding="utf-8"))
        self.inputs, self.classes = names["inputs"], names["classes"]

    def read(self, body):
        """The numbers of one request, in the model's order, or ValueError."""
        if not isinstance(body, dict):
            raise ValueError(
                "expected a JSON object with Content-Type application/json"
            )
        if {*body} != {*self.inputs}:
            raise ValueError(
                f"expected these numbers by name: {', '.join(self.inputs)}"
            )
        for name, number in body.items():
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                raise ValueError(f"expected a number for {name}")
            if not -LARGEST <= number <= LARGEST:  # false for NaN too
                raise ValueError(f"{name} is too large or not finite")
        return [float(body[name]) for name in self.inputs]

    def preprocess(self, requests):
        """Turn n requests into an (n, 13) tensor; note which ones are refused."""
        self.refused = {}  # place in the batch -> message
        rows = []
        for index, request in enumerate(requests):
            try:
                rows.append(self.read(request.get("body", request.get("data"))))
            except ValueError as error:
                self.refused[index] = str(error)
                rows.append([0.0] * len(self.inputs))  # keeps its place in the batch
        return torch.tensor(rows, device=self.device)

    def inference(self, inputs):
        """Run the model: (n, 13) in, probabilities (n, 3) out."""
        with torch.inference_mode():
            return self.model(inputs).softmax(dim=1)

    def postprocess(self, outputs):
        """Turn probabilities (n, 3) into n answers, or why a request is refused."""
        answers = []
        for index, row in enumerate(outputs.tolist()):
            self.context.set_response_content_type(index, "application/json")
            if index in self.refused:
                self.context.set_response_status(400, "Bad Request", index)
                kind, message = "BadRequestException", self.refused[index]
                answers.append({"code": 400, "type": kind, "message": message})
            else:
                shares = dict(zip(self.classes, row, strict=True))
                answers.append(
                    {"class": max(shares, key=shares.get), "probabilities": shares}
                )
        return answers
