import json

from course.checks.form import ANY, function, value

task_1 = value(
    "put seconds into answer_1 and run both cells",
    (20, "Right: the first attempt and one more, 10 seconds each."),
    (10, "That is one attempt. retry-attempts says how many come after the first."),
    (20_000, "Close: that is in milliseconds; the question asks for seconds."),
    ((30, 60), "The other nodes answer at once, and the last one is never asked."),
    (ANY, "Not yet. How many attempts are there, and how long may each take?"),
)


def digit(request):
    return {"x": round(json.loads(request["body"])[0])}


def mended(requests, context):
    return ANY if requests is None else [digit(request) for request in requests]


task_2 = function(
    "write the function and run both cells",
    "Right: None does no harm, and every request gets its own answer.",
    mended,
    [
        (None, None),
        ([{"body": bytearray(b"[\n  4.9966\n]")}], None),
        ([{"body": b"[4.9966]"}, {"body": b"[-2.75]"}], None),
    ],
    (lambda requests, _: [*map(digit, requests)], "None comes when a worker starts."),
    (lambda requests, _: requests and digit(requests[0]), "It has to be a list."),
    (lambda requests, _: requests and [digit(requests[0])], "Answer each request."),
    (lambda requests, _: [digit(r)["x"] for r in requests or []], "It lacks its x."),
)
