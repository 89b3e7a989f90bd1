from course.checks.form import ANY, task, value

task_1 = value(
    "put the number of a line into answer_1",
    (7, "Right: the first traceback ends there. The worker lacks pandas."),
    ((5, 6), "Close: that is where it happened. Which line says what was missing?"),
    ((9, 10, 11, 12), "That is the second traceback. Line 8 says what that means."),
    ((1, 2, 3, 4, 8), "That says that it failed. Read on to a traceback's end."),
    (ANY, "The answer is the number of one line, from 1 to 12."),
)


@task(
    ("default_response_timeout=240", "Right"),
    (" default_response_timeout = 240 ", "Right"),
    ("default_response_timeout: 240", 'of the form "name=value"'),
    ("response_timeout=240", "response_timeout is not it."),
    ("default_response_timeout=240s", "a whole number of seconds, no unit"),
    ("default_response_timeout=180", "180 seconds end before"),
    ("default_response_timeout=300", "how many seconds?"),
)
def task_2(line: str):
    """put a line such as "model_store=store" into answer_2"""
    name, equals, seconds = (part.strip() for part in line.partition("="))
    if not equals:
        return 'The answer is a text of the form "name=value".'
    if name != "default_response_timeout":
        return f"{name} is not it. Which setting says how long an answer may take?"
    if not seconds.isdecimal():
        return "The name is right. The value is a whole number of seconds, no unit."
    if int(seconds) <= 180:
        return f"The name is right; {seconds} seconds end before the answer is there."
    if int(seconds) != 240:
        return "The name is right. Three minutes and one to spare: how many seconds?"
    return "Right: 180 seconds for the answer and 60 to spare."
