"""How TorchServe turns a request into a prediction of SimpleLinearModel."""

import torch
from ts.torch_handler.base_handler import BaseHandler

EXPECTED = (
    "expected one finite number such as 5 or -0.5, with the header "
    "Content-Type: text/plain or application/json, or in a form field named data"
)


def parse_number(value) -> float:
    """Return the number that a client sent, or raise ValueError.

    TorchServe hands over a str for a text body, the decoded value for a JSON body,
    bytes for any other body, and None where there is neither body nor data.
    """
    if isinstance(value, (bytes, bytearray)):
        value = value.decode()
    if isinstance(value, str):
        if "_" in value:  # float() reads 1_000 as 1000
            raise ValueError("not a number")
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("not a number")
    # float32 ends at 3.4e38, and the model doubles its input. NaN fails here as well.
    if not -1e38 <= value <= 1e38:
        raise ValueError("too large or not finite")
    return float(value)


class SimpleLinearHandler(BaseHandler):
    """Answers a batch: n requests in, n answers out, in the same order.

    BaseHandler's initialize loads the model once: it imports the archive's model file,
    which has to define exactly one class, and loads the state dict into an instance.
    """

    def preprocess(self, requests):
        """Turn n requests into an (n, 1) tensor; note which ones are refused."""
        self.refused = {}  # place in the batch -> (status, message)
        numbers = []
        for index, request in enumerate(requests):
            try:
                numbers.append(parse_number(request.get("body", request.get("data"))))
            except ValueError:
                self.refused[index] = 400, EXPECTED
                numbers.append(0.0)  # keeps the place of this request in the batch
        return torch.tensor(numbers, device=self.device).reshape(-1, 1)

    def inference(self, inputs):
        """Run the model: (n, 1) in, (n, 1) out."""
        with torch.inference_mode():
            return self.model(inputs)

    def postprocess(self, outputs):
        """Turn an (n, 1) tensor into n answers: [number], or why it is refused."""
        answers = outputs.tolist()
        for index in range(len(answers)):
            self.context.set_response_content_type(index, "application/json")
        for index, (status, message) in self.refused.items():
            self.context.set_response_status(status, "Bad Request", index)
            answers[index] = {
                "code": status,
                "type": "BadRequestException",
                "message": message,
            }
        return answers
