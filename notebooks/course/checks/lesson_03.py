"""The checks of lesson 03: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
    """The statuses for the text -1, the text minus one, JSON false and JSON 1e3."""
    if answer is None:
        print("Not answered yet: put a list of four statuses into answer_1, run both.")
        return
    if not isinstance(answer, (list, tuple)) or len(answer) != 4:
        print("answer_1 has to be a list of four: one status for each request.")
        return
    answer = [status if isinstance(status, int) else None for status in answer]
    if answer == [200, 400, 400, 200]:
        print("Right: two numbers and two that are none, each with its own status.")
        return
    hints = [
        (200, "Request 1: -1 is a number; a sign does no harm."),
        (400, "Request 2: float() does not read words. Which status is the client's?"),
        (400, "Request 3: JSON false arrives as False. What does parse_number do?"),
        (200, "Request 4: JSON 1e3 arrives as 1000.0, far below the limit of 1e38."),
    ]
    for given, (wanted, hint) in zip(answer, hints, strict=True):
        if given != wanted:
            print(hint)


def exercise_2(parse_decimal):
    """A function like parse_number that reads a decimal comma too."""
    if parse_decimal is None:
        print("Not answered yet: write the function and run both cells.")
        return
    if not callable(parse_decimal):
        print(f"parse_decimal is a {type(parse_decimal).__name__}; write a function.")
        return
    accepted = {"5,5": 5.5, "-0,25": -0.25, "5.5": 5.5, "5": 5.0, 5: 5.0, 2.5: 2.5}
    for value, wanted in accepted.items():
        try:
            number = parse_decimal(value)
        except Exception as error:  # whatever a learner's function raises
            print(f"{value!r} should give {wanted}; it raises {error!r}.")
            if not isinstance(value, str):
                print("JSON numbers arrive as numbers: replace commas in text only.")
            return
        if not isinstance(number, float) or number != wanted:
            print(f"{value!r} should give {wanted}; it gives {number!r}.")
            if number is None:
                print("Does the function return something?")
            return
    for value in ("5,5,5", "abc", "", "nan", "1_000", "1e39", True, None, [5]):
        try:
            number = parse_decimal(value)
        except ValueError:
            continue
        except Exception as error:  # whatever a learner's function raises
            print(f"{value!r} should raise ValueError; it raises {error!r}.")
        else:
            print(f"{value!r} should be refused; it gives {number!r}.")
        print("Change the commas, then leave the rest to parse_number.")
        return
    print("Right: a comma is read as a point, and all else is as before.")
