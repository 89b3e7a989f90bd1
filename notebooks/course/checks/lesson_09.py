import hashlib
import random
import zlib
from collections.abc import Callable
from unittest import mock

from course.checks.form import ANY, Hint, call, task, told, value

task_1 = value(
    "put a whole number into answer_1 and run both cells",
    (15, "Right: 5 of the 20 wait, and the one that hangs takes no room."),
    (16, "Close. Does the job that hangs still wait in the queue?"),
    (14, "Close. How many jobs does the thread have in its hands at a time?"),
    (5, "That many wait. How many of the 20 find no room?"),
    (0, "Then all 20 would wait, and the queue has room for 5."),
    (20, "Then none would wait, and the queue has room for 5."),
    (ANY, "Not yet: 20 are offered, 5 find room, and none leaves the queue."),
)


def percent(text):
    return hashlib.sha256(text.encode()).digest()[0] / 256 * 100


@task(
    (lambda key, share: percent(key) < share, "Right"),
    (lambda key, share: zlib.crc32(key.encode()) % 100 < share, "Right"),
    (lambda key, share: (lambda: hash(key) % 100)() < share, "hash() gives other"),
    (lambda key: True, "mended('client-0', 0) raises TypeError"),
    (lambda key, share: None, "mended('client-0', 0) gives None, not True"),
    (lambda key, share: random.random() * 100 < share, "asks twice"),
    (lambda key, share: percent(key) <= share, "At 0 % "),
    (lambda key, share: percent(key) * 2.56 < share, "At 100 % "),
    (lambda key, share: percent(key) * 2.56 % 100 < share, "not even"),
    (lambda key, share: percent(f"{share}/{key}") < share, "lose it from 20 to"),
)
def task_2(mended: Callable):
    """write the function mended and run both cells"""
    hashed = []

    def spy(thing, hash=hash):
        hashed.append("client-" in str(thing))
        return hash(thing)

    def takes(key, share):
        label = f"mended({key!r}, {share})"
        answer = call(label, mended, key, share)
        if not isinstance(answer, bool):
            raise Hint(f"{label} gives {told(answer)}, not True or False.")
        return answer

    keys = [f"client-{n}" for n in range(1000)]
    shares = [0, 20, 40, 50, 100]
    with mock.patch("builtins.hash", spy):
        at = {share: {key for key in keys if takes(key, share)} for share in shares}
        again = {key for key in keys if takes(key, 20)}
    counts = {share: len(some) for share, some in at.items()}
    if any(hashed):
        return "hash() gives other numbers after a restart: use hashlib."
    if again != at[20]:
        return "A client that asks twice gets two answers: nothing may be random."
    if counts[0]:
        return f"At 0 % {counts[0]} clients of 1000 get it, and nobody should."
    if counts[100] < 1000:
        return f"At 100 % {counts[100]} of 1000 get it: how large can one byte be?"
    if not (150 < counts[20] < 250 and 435 < counts[50] < 565):
        return f"At 20 and 50 % {counts[20]} and {counts[50]} of 1000 get it: not even."
    if lost := len(at[20] - at[40]):
        return f"{lost} clients lose it from 20 to 40 %: what goes into the hash?"
    return f"Right: {counts[20]} of 1000 at 20 %, and they keep it at 40 %."
