"""The checks of lesson 10: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
    """Eight answers every 40 ms: the batch of 32 never fills."""
    if answer is None:
        print("Not answered yet: put a number into answer_1 and run both cells.")
    elif isinstance(answer, bool) or not isinstance(answer, (int, float)):
        print(f"answer_1 is a {type(answer).__name__}; put a number there.")
    elif 199.5 < answer < 200.5:
        print("Right: eight answers every 40 ms are 200 a second.")
    elif 3999 < answer < 4001:
        print("That would be without the delay. Is the batch full before it is over?")
    elif answer in (800, 16000):
        print("Where should 32 requests come from? Each of 8 callers waits for one.")
    elif 210 < answer < 211:
        print("Close: the batch waits, and then it still has to be computed.")
    elif 0.199 < answer < 0.201:
        print("Right for a millisecond; the question asks for a second.")
    elif answer == 25:
        print("That is the number of batches. How many answers are in each?")
    else:
        print("Not yet. How long does one batch take, and how many answers are in it?")


def exercise_2(mended):
    """A Retry for 503 alone, with a last try, backoff, jitter and a cap."""
    from urllib3 import Retry

    if mended is None:
        print("Not answered yet: put a Retry into mended and run both cells.")
        return
    if not isinstance(mended, Retry):
        print(f"mended is a {type(mended).__name__}; make it a Retry(…).")
        return
    repeated = set(mended.status_forcelist or ())
    if any(status < 500 for status in repeated):
        print("A 4xx says that the request is wrong. Will it be right the next time?")
    elif 503 not in repeated:
        print("A 503 is not repeated: name it in status_forcelist.")
    elif not mended.is_retry("POST", 503):
        print("Only a method in allowed_methods is repeated, and predictions use POST.")
    elif not isinstance(mended.total, int) or not 0 < mended.total <= 5:
        print(f"total is {mended.total}, and counts them all: when is the last try?")
    elif not mended.backoff_factor > 0:
        print("Without a backoff_factor all tries follow each other at once.")
    elif not mended.backoff_jitter > 0:
        print("Without backoff_jitter all refused clients come back together.")
    elif mended.backoff_max > 2:
        print(f"One wait may take {mended.backoff_max} s: cap it with backoff_max.")
    else:
        print("Right: a 503 is repeated, later each time, and not for ever.")
