"""The checks of lesson 13: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
    """ScaleWorker with min_worker=0: the 0 does not travel, and the default is 1."""
    if answer is None:
        print("Not answered yet: put a whole number into answer_1 and run both cells.")
    elif isinstance(answer, bool) or not isinstance(answer, int):
        print(f"answer_1 is a {type(answer).__name__}; workers are a whole number.")
    elif answer == 1:
        print("Right: a 0 is as good as not set, and TorchServe makes 1 of that.")
    elif answer == 0:
        print("So the colleague hoped. Which number is it that a message cannot hold?")
    else:
        print("Not yet. Try it: send the message, then look at workers_of.")


def exercise_2(message):
    """A RegisterModelRequest with the fields of a query, and the default of HTTP."""
    if message is None:
        print("Not answered yet: put a message into twin and run both cells.")
        return
    kind = getattr(getattr(message, "DESCRIPTOR", None), "name", None)
    if isinstance(message, type) or kind is None:
        print("twin is no message: make one with management_pb2, as scale was made.")
        return
    if kind != "RegisterModelRequest":
        print(f"twin is a {kind}; POST /models registers a model.")
        return
    wanted = {
        "url": "simple_linear.mar",
        "model_name": "twin",
        "initial_workers": 2,
        "batch_size": 8,
    }
    for field, value in wanted.items():
        found = getattr(message, field)
        if found != value:
            print(f"{field} is {found!r}, and the request has {value!r}.")
            return
    others = {field.name for field, _ in message.ListFields()} - {*wanted}
    if "synchronous" not in others:
        print("Right so far. Does HTTP return before the workers are READY?")
    elif others != {"synchronous"}:
        more = ", ".join(sorted(others - {"synchronous"}))
        print(f"The request does not have this one: {more}.")
    else:
        print("Right: with synchronous=True both return when two workers are READY.")
