"""The checks of lesson 09: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
    """A mirror with room for 5 whose thread hangs: 20 more offered, 15 dropped."""
    if answer is None:
        print("Not answered yet: put a whole number into answer_1 and run both cells.")
    elif isinstance(answer, bool) or not isinstance(answer, int):
        print(f"answer_1 is a {type(answer).__name__}; count jobs in whole numbers.")
    elif answer == 15:
        print("Right: 5 of the 20 wait, and the one that hangs takes no room.")
    elif answer == 16:
        print("Close. Does the job that hangs still wait in the queue?")
    elif answer == 14:
        print("Close. How many jobs does the thread have in its hands at a time?")
    elif answer == 5:
        print("That many wait. How many of the 20 find no room?")
    elif answer == 0:
        print("Then all 20 would wait, and the queue has room for 5.")
    elif answer == 20:
        print("Then none would wait, and the queue has room for 5.")
    else:
        print("Not yet: 20 are offered, 5 find room, and none leaves the queue.")


def exercise_2(mended):
    """A split that is sticky, gives the share asked for, and only adds clients."""
    if mended is None:
        print("Not answered yet: write the function mended and run both cells.")
        return
    if not callable(mended):
        print(f"mended is a {type(mended).__name__}; it has to be a function.")
        return
    if "hash" in getattr(getattr(mended, "__code__", None), "co_names", ()):
        print("hash() gives other numbers after a restart: use hashlib.")
        return
    keys = [f"client-{n}" for n in range(1000)]
    try:
        chosen = {
            share: {key for key in keys if mended(key, share)}
            for share in (0, 20, 40, 50, 100)
        }
        again = {key for key in keys if mended(key, 20)}
    except Exception as error:  # whatever a learner's function raises
        print(f"mended(key, share) raises {type(error).__name__}: {error}")
        return
    counts = {share: len(some) for share, some in chosen.items()}
    if again != chosen[20]:
        print("A client that asks twice gets two answers: nothing may be random.")
    elif counts[0]:
        print(f"At 0 % {counts[0]} clients of 1000 get it, and nobody should.")
    elif counts[100] < 1000:
        print(f"At 100 % {counts[100]} of 1000 get it: how large can one byte be?")
    elif not (150 < counts[20] < 250 and 435 < counts[50] < 565):
        print(f"At 20 and 50 % {counts[20]} and {counts[50]} of 1000 get it: not even.")
    elif lost := len(chosen[20] - chosen[40]):
        print(f"{lost} clients lose it from 20 to 40 %: what goes into the hash?")
    else:
        print(f"Right: {counts[20]} of 1000 at 20 %, and they keep it at 40 %.")
