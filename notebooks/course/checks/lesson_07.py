"""The checks of lesson 07: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
    """What the chapter's app answers to a field that is there and empty."""
    if answer is None:
        print("Not answered yet: put a status code into answer_1 and run both cells.")
    elif answer == 500:
        print("Right: float('') raises ValueError, and nothing catches it.")
    elif answer == 200:
        print("Not yet: the default 0 stands in for a missing field. Is it missing?")
    elif answer in (400, 422):
        print("That would be polite. What in the chapter's app makes a 400?")
    else:
        print("Not yet. Which value does float() get, and what does it do with it?")


def exercise_2(mended):
    """An error handler that answers JSON with the status of the error."""
    from flask import Flask

    if mended is None:
        print("Not answered yet: put a function into mended and run both cells.")
        return
    if not callable(mended):
        print(f"mended has the type {type(mended).__name__}; it has to be a function.")
        return
    app = Flask("check")
    app.logger.disabled = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.register_error_handler(404, mended)
    app.get("/only")(lambda: "read")
    client = app.test_client()
    answer, method = client.get("/nosuch"), client.post("/only")
    body = answer.get_json(silent=True)
    if answer.status_code == 200:
        print("An unknown path still answers 200: return the status as well.")
    elif answer.status_code == 500:
        print("mended(error) fails: does it take one argument and return an answer?")
    elif answer.status_code != 404:
        print("The status is always the same now: take it from the error.")
    elif method.status_code != 405:
        print("404 is right; a wrong method answers 404 as well: whose code is it?")
    elif not isinstance(body, dict) or "message" not in body:
        print("The status is right now; the answer has to stay JSON with a message.")
    else:
        print("Right: an unknown path answers 404, and in JSON.")
