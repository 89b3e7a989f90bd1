"""The checks of lesson 08: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
    """Little's law: 8 waiting clients = 1,000 requests a second times 8 ms."""
    if answer is None:
        print("Not answered yet: put milliseconds into answer_1 and run both cells.")
    elif isinstance(answer, bool) or not isinstance(answer, (int, float)):
        print(f"answer_1 is a {type(answer).__name__}; milliseconds are a number.")
    elif answer == 8:
        print("Right: 8 clients wait 8 ms each, that is 1,000 requests a second.")
    elif answer == 4:
        print("Then 8 clients would get 2,000 answers a second; the server has 1,000.")
    elif answer == 2:
        print("More clients do not make a busy server faster. Which way does it go?")
    elif answer == 0.008:
        print("Right in seconds; the question asks for milliseconds.")
    else:
        print("Not yet. In one second the server hands 1,000 answers to 8 clients.")


def exercise_2(mended):
    """The p99 of 900 requests of 1 ms and 100 of 20 ms, taken together."""
    if mended is None:
        print("Not answered yet: put a number into mended and run both cells.")
    elif isinstance(mended, bool) or not isinstance(mended, (int, float)):
        print(f"mended is a {type(mended).__name__}; p99 is one number.")
    elif abs(mended - 20) < 1e-9:
        print("Right: one request in ten took 20 ms, so p99 is 20 ms.")
    elif abs(mended - 10.5) < 1e-9:
        print("That is still the mean of two percentiles. No request took 10.5 ms.")
    elif abs(mended - 2.9) < 1e-9:
        print("That is the mean of all requests. p99 is asked for.")
    elif abs(mended - 1) < 1e-9:
        print("That is the median, or the first client alone. Take all 1,000 requests.")
    else:
        print("Not yet. Put both lists together with +, then take p99 of the result.")
