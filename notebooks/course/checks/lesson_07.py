from collections.abc import Callable

from flask import Flask

from course.checks.form import ANY, task, value

task_1 = value(
    "put a status code into answer_1 and run both cells",
    (500, "Right: float('') raises ValueError, and nothing catches it."),
    (200, "Not yet: the default 0 stands in for a missing field. Is it missing?"),
    ((400, 422), "That would be polite. What in the chapter's app makes a 400?"),
    (ANY, "Not yet. Which value does float() get, and what does it do with it?"),
)


def body_of(error):
    return {"code": error.code, "message": error.description}


@task(
    (lambda error: (body_of(error), error.code), "Right"),
    (body_of, "still answers 200"),
    (lambda: ({}, 404), "mended(error) fails"),
    (lambda error: None, "mended(error) fails"),
    (lambda error: (body_of(error), 400), "always the same"),
    (lambda error: (body_of(error), 404), "a wrong method answers 404 as well"),
    (lambda error: error, "It has to stay JSON"),
    (lambda error: ({"message": "sorry"}, error.code), "It has to stay JSON"),
)
def task_2(mended: Callable):
    """put a function into mended and run both cells"""
    app = Flask("check")
    app.logger.disabled = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    for status in (404, 405):
        app.register_error_handler(status, mended)
    app.get("/only")(lambda: "read")
    client = app.test_client()
    answer, method = client.get("/nosuch"), client.post("/only")
    body = answer.get_json(silent=True)
    if answer.status_code == 200:
        return "An unknown path still answers 200: return the status as well."
    if answer.status_code == 500:
        return "mended(error) fails: does it take one argument and return an answer?"
    if answer.status_code != 404:
        return "The status is always the same now: take it from the error."
    if method.status_code != 405:
        return "404 is right; a wrong method answers 404 as well: whose code is it?"
    if not isinstance(body, dict) or not {"code", "message"} <= set(body):
        return "The status is right now. It has to stay JSON, with code and message."
    return "Right: an unknown path answers 404, and in JSON."
