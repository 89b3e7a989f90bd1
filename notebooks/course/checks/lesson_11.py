"""The checks of lesson 11: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
    """A request that outlives the timeout costs each worker that it is sent to."""
    if answer is None:
        print("Not answered yet: put a number into answer_1 and run both cells.")
    elif isinstance(answer, bool) or not isinstance(answer, (int, float)):
        print(f"answer_1 is a {type(answer).__name__}; a number of workers is asked.")
    elif answer == 2:
        print("Right: one for the first question, one for the second.")
    elif answer == 1:
        print("That is the first question. What does this client do after a 5xx?")
    elif answer == 0:
        print("5 seconds are more than 1: what does TorchServe do with such a worker?")
    elif answer > 2:
        print("Fewer: this client asks again once, and not after every answer.")
    else:
        print("Not yet. Count the workers that TorchServe kills.")


def exercise_2(rise):
    """A counter that falls has begun anew: its whole value has come since."""
    if rise is None:
        print("Not answered yet: write the function rise and run both cells.")
        return
    if not callable(rise):
        print("rise has to be a function: def rise(values): ...")
        return
    failures = (ArithmeticError, LookupError, TypeError, ValueError, NameError)
    failures += (AttributeError, RuntimeError)
    cases = {
        "[100, 180, 30, 60]": ([100, 180, 30, 60], 140),
        "[0, 5, 5, 9]": ([0, 5, 5, 9], 9),
        "[7, 3, 1, 2]": ([7, 3, 1, 2], 5),
        "[4]": ([4], 0),
    }
    for shown, (values, right) in cases.items():
        try:
            found = rise(list(values))
        except failures as error:
            print(f"rise({shown}) ends with {type(error).__name__}: {error}")
            return
        pairs = zip(values, values[1:], strict=False)
        if found == right:
            continue
        if found is None:
            print(f"rise({shown}) returns nothing. Is there a return?")
        elif found == values[-1] - values[0]:
            print(f"rise({shown}) is last minus first. Go from look to look instead.")
        elif found == sum(max(new - old, 0) for old, new in pairs):
            print(f"rise({shown}) leaves out what came after a restart.")
        else:
            print(f"rise({shown}) is {found}; {right} would be right.")
        return
    print("Right: 140 for these looks, and right for three other lists.")
