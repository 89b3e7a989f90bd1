from google.protobuf.message import Message

from course.checks.form import ANY, task, value

task_1 = value(
    "put a whole number into answer_1 and run both cells",
    (1, "Right: a 0 is as good as not set, and TorchServe makes 1 of that."),
    (0, "So the colleague hoped. Which number is it that a message cannot hold?"),
    (ANY, "Not yet. Try it: send the message, then look at workers_of."),
)

QUERY = {"url": "simple_linear.mar", "model_name": "twin"}
QUERY |= {"initial_workers": 2, "batch_size": 8}


def messages(management_pb2):
    def register(**more):
        return management_pb2.RegisterModelRequest(**{**QUERY, **more})

    return [
        (register(synchronous=True), "Right"),
        (register(), "Close. Does HTTP return"),
        (register(synchronous=True, batch_size=2), "batch_size is 2"),
        (register(synchronous=True, url="twin.mar"), "url is 'twin.mar'"),
        (register(synchronous=True, runtime="python"), "not have this one: runtime"),
        (management_pb2.ScaleWorkerRequest(), "twin is a ScaleWorkerRequest"),
        (management_pb2.RegisterModelRequest, "is a class"),
        (QUERY, "has the type dict."),
    ]


@task(messages)
def task_2(message: Message):
    """put a message into twin and run both cells"""
    kind = message.DESCRIPTOR.name
    if kind != "RegisterModelRequest":
        return f"twin is a {kind}; POST /models registers a model."
    for field, right in QUERY.items():
        found = getattr(message, field)
        if found != right:
            return f"{field} is {found!r}, and the request has {right!r}."
    others = {field.name for field, _ in message.ListFields()} - {*QUERY}
    if "synchronous" not in others:
        return "Close. Does HTTP return before the workers are READY?"
    if others != {"synchronous"}:
        more = ", ".join(sorted(others - {"synchronous"}))
        return f"The request does not have this one: {more}."
    return "Right: with synchronous=True both return when two workers are READY."
