"""The checks of lesson 14: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
    """Two attempts of 10 seconds each."""
    if answer is None:
        print("Not answered yet: put seconds into answer_1 and run both cells.")
    elif isinstance(answer, bool) or not isinstance(answer, (int, float)):
        print(f"answer_1 is a {type(answer).__name__}; seconds are a number.")
    elif answer == 20:
        print("Right: the first attempt and one more, 10 seconds each.")
    elif answer == 10:
        print("That is one attempt. retry-attempts says how many come after the first.")
    elif answer == 20_000:
        print("Right in milliseconds; the question asks for seconds.")
    elif answer in (30, 60):
        print("The other nodes answer at once, and the last one is never asked.")
    else:
        print("Not yet. How many attempts are there, and how long may each take?")


def exercise_2(mended):
    """A function node: copes with None, one answer for each request, in their order."""
    if mended is None:
        print("Not answered yet: write the function and run both cells.")
        return
    if not callable(mended):
        print(f"mended is a {type(mended).__name__}; assign a function, without ().")
        return
    tries = {
        "None, as at the start of its worker": None,
        "one request": [{"body": bytearray(b"[\n  4.9966\n]")}],
        "two requests": [{"body": b"[4.9966]"}, {"body": b"[-2.75]"}],
    }
    for what, requests in tries.items():
        try:
            answers = mended(requests, None)
        except Exception as error:  # whatever a learner's function raises
            print(f"Given {what}, it raises {type(error).__name__}: {error}")
            return
        if requests is None:
            continue
        if not isinstance(answers, list):
            print(f"Given {what}, it returns a {type(answers).__name__}, not a list.")
            return
        if len(answers) != len(requests):
            print(f"Given {what}, it returns {len(answers)} answers.")
            return
        wanted = [{"x": 5}, {"x": -3}][: len(requests)]
        if answers != wanted:
            print(f"Given {what}, it returns {answers}; wanted is {wanted}.")
            return
    print("Right: None does no harm, and every request gets its own answer.")
