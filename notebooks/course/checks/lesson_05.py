"""The checks of lesson 05: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
    """The line of the log that names the cause: the end of the first traceback."""
    if answer is None:
        print("Not answered yet: put the number of a line into answer_1.")
    elif answer == 7:
        print("Right: the first traceback ends there. The worker lacks pandas.")
    elif answer in (5, 6):
        print("Close: that is where it happened. Which line says what was missing?")
    elif answer in (9, 10, 11, 12):
        print("That is the second traceback. Line 8 says that another came before it.")
    elif answer in (1, 2, 3, 4, 8):
        print("Not yet: that says that it failed. Read on to the end of a traceback.")
    else:
        print("The answer is the number of one line, from 1 to 12, without quotes.")


def exercise_2(line):
    """The setting that gives a worker 240 seconds for an answer."""
    if line is None:
        print('Not answered yet: put a line such as "model_store=store" into answer_2.')
        return
    if not isinstance(line, str) or "=" not in line:
        print('The answer is a text of the form "name=value".')
        return
    name, value = (part.strip() for part in line.split("=", 1))
    if name != "default_response_timeout":
        print(f"{name} is not it. Which setting says how long an answer may take?")
    elif not value.isdecimal():
        print("The name is right. The value is a whole number of seconds, no unit.")
    elif int(value) == 240:
        print("Right: 180 seconds for the answer and 60 to spare.")
    elif int(value) <= 180:
        print(f"The name is right; {value} seconds end before the answer is there.")
    else:
        print("The name is right. Three minutes and one to spare: how many seconds?")
