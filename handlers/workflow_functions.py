"""The functions between the models of a workflow: lesson 14 packs this file into it.

TorchServe calls a function as it calls a handler: with a list of requests and a
context, for a list of as many answers. When its worker starts, the list is None.
"""

import json
import logging

logger = logging.getLogger(__name__)


def number_in(answer: bytes) -> float:
    """Return the number in a model's answer such as b"[8.99]", or raise ValueError.

    A model that refuses its input answers {"code": 400, …}. The status does not reach
    the next node, so this is the only place where the refusal can be seen.
    """
    content = json.loads(answer)
    if isinstance(content, dict):
        raise ValueError(f"the model before refused: {content.get('message')}")
    if not isinstance(content, list) or [type(part) for part in content] != [float]:
        raise ValueError(f"expected a list of one number, got {content}")
    [number] = content
    if not -1e38 <= number <= 1e38:  # the next model would refuse it, NaN as well
        raise ValueError(f"too large for the next model, or not finite: {number}")
    return number


def to_number(requests, context):
    """Turn the bytes of [number] into the text of that number, which a model reads."""
    if requests is None:  # the worker starts, and there is nothing to prepare
        return None
    return [str(number_in(request["body"])) for request in requests]


def show(requests, context):
    """Log what arrives and pass it on unchanged."""
    if requests is None:
        return None
    for request in requests:
        logger.info("show received %r", request)
    return [request["body"] for request in requests]
