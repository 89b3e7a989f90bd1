import hashlib
import math
import random
import statistics
import zlib
from collections.abc import Callable
from unittest import mock

import numpy
import requests

from course.checks.form import Guess, Hint, call, function, outcome, task, told
from course.versions import judge

guess_1 = Guess(
    {
        "a": ("1.0, as before", ""),
        "b": ("2.0, the newest", "A newcomer does not become the default by itself."),
        "c": ("both, in turns", "TorchServe splits nothing: one version is live."),
    },
    right="a",
)

guess_2 = Guess(
    {
        "a": ("2.0: it takes over", "TorchServe would have to choose, and does not."),
        "b": ("nobody: a 404", "That would be so if 1.0 were the only version."),
        "c": ("1.0 still: the request is refused", ""),
    },
    right="c",
)


def versions_of(models):
    """What is registered: name and version, and the description."""
    listed = requests.get(models, params={"limit": 100}, timeout=10).json()["models"]
    return {
        (name, each["modelVersion"]): each
        for name in {model["modelName"] for model in listed}
        for each in requests.get(f"{models}/{name}/all", timeout=10).json()
    }


def unregister_new(models, before):
    for name, version in versions_of(models).keys() - before:
        requests.delete(f"{models}/{name}/{version}", timeout=10)


def asks(method=requests.post, silent=False, **changed):
    """register() as learners write it: with another method, or another query."""

    def register(models, file, workers):
        query = {"url": file, "model_name": "simple_linear", "initial_workers": workers}
        kept = {k: text for k, text in {**query, **changed}.items() if text is not None}
        answer = method(models, params=kept, timeout=60)
        silent or answer.raise_for_status()

    return register


SECOND = "simple_linear_2.0.mar"


def in_body(models, file, workers):
    query = {"url": file, "model_name": "simple_linear", "initial_workers": workers}
    requests.post(models, data=query, timeout=60).raise_for_status()


def refuses(function, *arguments):
    """Whether it raises. An error that is returned is not raised."""
    try:
        function(*arguments)
    except (Exception, SystemExit):
        return True
    return False


def try_register(register, models, before):
    label = f"register(models, {SECOND!r}, 0)"
    try:
        call(label, register, models, SECOND, 0)
    except Hint as hint:
        if "400 Client Error" not in str(hint):
            raise
        raise Hint(f"{hint} It has found no url: a query goes into params=.") from None
    new = {key: it for key, it in versions_of(models).items() if key not in before}
    if not new:
        raise Hint(f"After {label} nothing new is registered. Is it a POST on models?")
    if ("simple_linear", "2.0") not in new:
        raise Hint(
            f"After {label} there is a second model, {', '.join(n for n, _ in new)}. "
            "Which model is it a version of? model_name says it."
        )
    if (workers := new["simple_linear", "2.0"]["minWorkers"]) != 0:
        raise Hint(
            f"{label} asked for 0 workers, and 2.0 has {workers}: initial_workers says "
            "how many."
        )
    unregister_new(models, before)
    if not refuses(register, models, "nobody.mar", 0):
        raise Hint(
            "register(models, 'nobody.mar', 0) raises nothing, and there is no such "
            "file. Does it use file, and look at the answer?"
        )
    call(label, register, models, SECOND, 1)
    workers = versions_of(models)["simple_linear", "2.0"]["workers"]
    if "READY" not in [worker["status"] for worker in workers]:
        raise Hint("When register returns, no worker is READY: has it waited?")


@task(
    (asks(), "Right"),
    (asks(model_name=None), "model_name"),
    (asks(requests.put), "405"),
    (asks(requests.get), "nothing new is registered"),
    (in_body, "a query goes into params="),
    (asks(url="other.mar"), "raises HTTPError: 404"),
    (asks(initial_workers=None), "initial_workers says"),
    (asks(silent=True), "'nobody.mar', 0) raises nothing"),
    (asks(synchronous="false"), "no worker is READY"),
)
def task_1(register: Callable, with_archive_2):
    """write the function register and run both cells"""
    models = f"{with_archive_2}/models"
    before = versions_of(models).keys()
    if ("simple_linear", "2.0") in before:
        raise Hint("2.0 is registered already: run the notebook again from the top.")
    try:
        try_register(register, models, before)
    finally:
        unregister_new(models, before)
    return "Right: 2.0 stood beside 1.0, with its worker READY. It is gone again."


def default_of(models):
    [described] = requests.get(f"{models}/simple_linear", timeout=10).json()
    return described["modelVersion"]


def moves(method=requests.put, says="before", silent=False, path="set-default"):
    """move_default() as learners write it."""

    def move_default(models, version):
        before = default_of(models)
        address = f"{models}/simple_linear/{path and version}/{path or version}"
        answer = method(address.rstrip("/"), timeout=10)
        silent or answer.raise_for_status()
        return {"before": before, "after": default_of(models)}.get(says)

    return move_default


def other_of_two(models, version):
    moves()(models, version)
    return "1.0" if version == "2.0" else "2.0"


def returns_error(models, version):
    try:
        return moves()(models, version)
    except requests.HTTPError as error:
        return error


def there_and_back(models, version):
    before = moves()(models, version)
    return moves(says="after")(models, before)


def always_to_2(models, version):
    return moves()(models, "2.0")


def try_to_move(move_default, models, first, second):
    for old, new in ((first, second), (second, first), (first, first)):
        label = f"move_default(models, {new!r})"
        said = call(label, move_default, models, new)
        if (now := default_of(models)) != new:
            raise Hint(
                f"After {label} the default is still {now}. Is it a PUT, for the "
                "version asked for, and left there?"
            )
        if said != old:
            says = f"{label} returns {told(said)}, and {old!r} was the default before."
            raise Hint(f"{says}{' Is there a return?' * (said is None)}")
    if not refuses(move_default, models, "9.0"):
        raise Hint("There is no version 9.0, and move_default raises nothing.")


@task(
    (moves(), "Right"),
    (moves(requests.post), "raises HTTPError: 405"),
    (moves(requests.get, silent=True), "the default is still 1.0"),
    (moves(says="after"), "returns '2.0', and '1.0' was the default before"),
    (moves(says=None), "Is there a return?"),
    (moves(silent=True), "no version 9.0"),
    (returns_error, "no version 9.0"),
    (there_and_back, "left there?"),
    (other_of_two, "'1.0') returns '2.0', and '1.0' was the default before"),
    (always_to_2, "'1.0') the default is still 2.0"),
)
def task_2(move_default: Callable, with_version_2):
    """write the function move_default and run both cells"""
    models = f"{with_version_2}/models"
    first = default_of(models)
    others = {version for name, version in versions_of(models)} - {first}
    if not others:
        raise Hint("There is one version alone: run the notebook again from the top.")
    try:
        try_to_move(move_default, models, first, min(others))
    finally:
        requests.put(f"{models}/simple_linear/{first}/set-default", timeout=10)
    return f"Right: the default went from {first} to {min(others)} and back."


def kept_by(function):
    """The dictionaries, lists and sets in which a function may remember something."""
    code = getattr(function, "__code__", None)
    named = [function.__globals__.get(name) for name in code.co_names] if code else []
    named += getattr(function, "__defaults__", None) or ()
    return [thing for thing in named if isinstance(thing, (dict, list, set))]


REMEMBERED = {}


def by_memory(key, share):
    if key not in REMEMBERED:
        REMEMBERED[key] = 100 * random.random()
    return REMEMBERED[key] < share


def by_kept_hash(key, share, kept={}):  # noqa: B006
    return kept.setdefault(key, percent(key)) < share


def percent(text):
    return hashlib.sha256(text.encode()).digest()[0] / 256 * 100


@task(
    (lambda key, share: percent(key) < share, "Right"),
    (lambda key, share: zlib.crc32(key.encode()) % 100 < share, "Right"),
    (lambda key, share: numpy.float64(percent(key)) < share, "Right"),
    (by_kept_hash, "Right"),
    (by_memory, "After a restart"),
    (lambda key, share: int(key[7:]) % 100 < share, "A key can be any text"),
    (lambda key, share: percent(key) / 255 * 256 < share, "255, gets it at 100 %"),
    (lambda key, share: (lambda: hash(key) % 100)() < share, "hash() gives other"),
    (lambda key: True, "gets_candidate('client-0', 0) raises TypeError"),
    (lambda key, share: print(end=""), "gives None, not True"),
    (lambda key, share: random.random() * 100 < share, "asks twice"),
    (lambda key, share: percent(key) <= share, "At 0 % "),
    (lambda key, share: percent(key) * 2.56 < share, "At 100 % "),
    (lambda key, share: percent(key) * 2.56 % 100 < share, "not even"),
    (lambda key, share: percent(key) / 100 < share, "not 0.2"),
    (lambda key, share: percent("key") < share, "all alike: does the key"),
    (lambda key, share: percent(f"{share}/{key}") < share, "lose it from 20 to"),
)
def task_3(gets_candidate: Callable):
    """write the function gets_candidate and run both cells"""
    hashed = []

    def spy(thing, hash=hash):
        hashed.append("client-" in str(thing))
        return hash(thing)

    def takes(key, share):
        label = f"gets_candidate({key!r}, {share})"
        answer = call(label, gets_candidate, key, share)
        if not isinstance(answer, (bool, numpy.bool_)):
            raise Hint(f"{label} gives {told(answer)}, not True or False.")
        return bool(answer)

    keys = [f"client-{n}" for n in range(1000)]
    shares = [0, 20, 40, 50, 100]
    kept = [(thing, len(thing)) for thing in kept_by(gets_candidate)]
    with mock.patch("builtins.hash", spy):
        at = {share: {key for key in keys if takes(key, share)} for share in shares}
        again = {key for key in keys if takes(key, 20)}
    counts = {share: len(some) for share, some in at.items()}
    if any(hashed):
        return "hash() gives other numbers after a restart: use hashlib."
    if again != at[20]:
        return "A client that asks twice gets two answers: nothing may be random."
    if grown := [thing for thing, size in kept if len(thing) > size]:
        for thing in grown:
            thing.clear()
        if {key for key in keys if takes(key, 20)} != at[20]:
            for thing in grown:
                thing.clear()
            return "After a restart nothing is remembered, and others get it."
    if counts[0]:
        return f"At 0 % {counts[0]} clients of 1000 get it, and nobody should."
    if counts[100] < 1000:
        return (
            f"At 100 % {counts[100]} of 1000 get it. Each of the 256 values of a byte, "
            "also the largest, 255, gets it at 100 %."
        )
    if {*counts.values()} == {0, 1000}:
        return (
            f"At 20 % {counts[20]} of 1000 get it, all alike: does the key go into the "
            "hash? And the share is handed over as 20, not 0.2."
        )
    if not (150 < counts[20] < 250 and 435 < counts[50] < 565):
        return (
            f"At 20 and 50 % {counts[20]} and {counts[50]} of 1000 get it: not even. "
            "Do all numbers come equally often? One byte % 100 is more often small: "
            "256 is no multiple of 100."
        )
    odd = outcome(gets_candidate, "Zoë", 100)
    if isinstance(odd, Exception):
        return f"For the key 'Zoë' it raises {told(odd)}. A key can be any text."
    if lost := len(at[20] - at[40]):
        return f"{lost} clients lose it from 20 to 40 %: what goes into the hash?"
    return f"Right: {counts[20]} of 1000 at 20 %, and they keep it at 40 %."


def answers(**count_of):
    """Pairs of a status and milliseconds: answers(s200_10=90, s503_1=10)."""
    return [
        tuple(map(int, name[1:].split("_")))
        for name, count in count_of.items()
        for _ in range(count)
    ]


NO_P99 = "Without a 200 there is no p99."

# What the candidate answered, the limit, what to say, and a hint.
CASES = [
    ("49 times 503", answers(s503_1=49), 100, "wait", "How many answers are enough?"),
    (
        "100 times 503",
        answers(s503_1=100),
        100,
        "take back",
        "All statuses count for the 50. Without a 200 there is no p99: look at the "
        "errors first, 500 or more.",
    ),
    ("50 times 200 in 10 ms", answers(s200_10=50), 100, "go on", "50 are enough."),
    (
        "1000 answers, 20 of them 503",
        answers(s200_10=980, s503_10=20),
        100,
        "go on",
        "That is 2 %: a rate is the number of errors by the number of answers.",
    ),
    (
        "100 answers, 20 of them 400",
        answers(s200_10=80, s400_10=20),
        100,
        "go on",
        "A 4xx is a mistake of the client.",
    ),
    (
        "100 answers, 8 of them 503",
        answers(s200_10=92, s503_10=8),
        100,
        "take back",
        "That is 8 %, and 5 are allowed.",
    ),
    (
        "100 answers, 5 of them 503",
        answers(s200_10=95, s503_10=5),
        100,
        "go on",
        "That is 5 %, and not more than 5.",
    ),
    (
        "1000 answers in 10 ms, but one in 900",
        answers(s200_10=999, s200_900=1),
        100,
        "go on",
        "p99 is not the longest time.",
    ),
    (
        "100 answers in 10 ms, but 3 in 900",
        answers(s200_10=97, s200_900=3),
        100,
        "take back",
        "A mean or a median hides them: p99 does not.",
    ),
    (
        "100 answers in 10 ms, but 4 times 503 and 3 times 404 in 5000",
        answers(s200_10=93, s503_5000=4, s404_5000=3),
        100,
        "go on",
        "p99 is that of the 200s alone.",
    ),
    (
        "100 answers in 10 ms, and limit=5",
        answers(s200_10=100),
        5,
        "take back",
        "Is limit used?",
    ),
    (
        "100 answers in 10 ms, and limit=10",
        answers(s200_10=100),
        10,
        "go on",
        "It is at the limit, and not above.",
    ),
]


def judging(least=50, bad=500, rate=0.05, slow=None, counted=(200,), by_count=None):
    """judge() as learners write it."""

    def p99(times):
        return statistics.quantiles(times, n=100)[98]

    def judge(results, limit):
        if len(results) < least:
            return "wait"
        errors = sum(status >= bad for status, _ in results)
        if errors > (by_count or rate * len(results)):
            return "take back"
        times = [took for status, took in results if not counted or status in counted]
        return "take back" if (slow or p99)(times) > limit else "go on"

    return judge


@task(
    (judge, "Right"),
    (judging(), "Right"),
    (judging(least=1), "How many answers are enough"),
    (judging(least=51), "50 are enough"),
    (judging(rate=0.0499), "not more than 5"),
    (lambda results, limit: judge(results, limit - 0.5), "not above"),
    (judging(rate=2), "Without a 200 there is no p99"),
    (judging(rate=0.01), "That is 2 %"),
    (judging(by_count=5), "That is 2 %"),
    (judging(bad=400), "A 4xx"),
    (judging(rate=0.1), "That is 8 %"),
    (judging(slow=max), "not the longest"),
    (judging(slow=statistics.fmean), "hides them"),
    (judging(counted=()), "200s alone"),
    (judging(counted=(200, 404)), "200s alone"),
    (
        lambda results, limit: (
            judging()(results[:1] + results, limit)
            if statistics.quantiles(t for s, t in results if s == 200)
            else ""
        ),
        "Count the answers, then",
    ),
    (
        lambda results, limit: judge([it for it in results if it[0] == 200], limit),
        "All statuses count for the 50",
    ),
    (lambda results, limit: judge(results, 100), "Is limit used?"),
    (lambda results, limit: print(end=""), "gives None, not 'wait'"),
)
def task_4(judge: Callable):
    """write the function judge and run both cells"""
    for label, results, limit, wanted, hint in CASES:
        found = outcome(judge, results, limit)
        if not (isinstance(found, str) and found == wanted):
            if isinstance(found, (ValueError, IndexError)):
                hint = f"Count the answers, then the errors, 500 or more. {NO_P99}"
            return f"{label}: it gives {told(found)}, not {wanted!r}. {hint}"
    return f"Right, in all {len(CASES)} cases."


def worse(stable, candidate):
    (status, numbers), (other_status, others) = stable, candidate
    if status >= 500:
        return "fine"
    if other_status != status:
        return "errors" if other_status >= 500 else "other statuses"
    if len(numbers) != len(others):
        return "other answers"
    pairs = zip(numbers, others, strict=True)
    near = all(math.isclose(*pair, rel_tol=0.05, abs_tol=0.05) for pair in pairs)
    return "fine" if near else "other answers"


def by_status(stable, candidate):
    return worse((stable[0], []), (candidate[0], []))


def exactly(stable, candidate):
    found = by_status(stable, candidate)
    return "other answers" if found == "fine" and stable != candidate else found


def shorter(stable, candidate):
    count = min(len(stable[1]), len(candidate[1]))
    return worse((stable[0], stable[1][:count]), (candidate[0], candidate[1][:count]))


def by_difference(stable, candidate):
    if stable[0] != candidate[0] or len(stable[1]) != len(candidate[1]):
        return worse(stable, candidate)
    pairs = zip(stable[1], candidate[1], strict=True)
    far = any(abs(a - b) > 0.05 * max(1, abs(a)) for a, b in pairs)
    return "other answers" if far else "fine"


def down_too(stable, candidate):
    return "errors" if candidate[0] >= 500 else worse(stable, candidate)


def stable_down(stable, candidate):
    if stable[0] == candidate[0] or candidate[0] >= 500:
        return worse(stable, candidate)
    return "other statuses"


def first_alone(stable, candidate):
    return worse((stable[0], stable[1][:1]), (candidate[0], candidate[1][:1]))


def relative(stable, candidate):
    found = worse(stable, candidate)
    pairs = zip(stable[1], candidate[1], strict=False)
    near = all(math.isclose(*pair, rel_tol=0.05) for pair in pairs)
    return found if near or found != "fine" else "other answers"


def swapped(stable, candidate):
    return worse(candidate, stable)


def strictly(stable, candidate):
    found = by_status(stable, candidate)
    pairs = zip(stable[1], candidate[1], strict=found == "fine" and stable[0] < 500)
    near = all(math.isclose(*pair, rel_tol=0.05, abs_tol=0.05) for pair in pairs)
    return found if near or found != "fine" else "other answers"


def any_near(stable, candidate):
    found = by_status(stable, candidate)
    pairs = zip(stable[1], candidate[1], strict=False)
    near = any(math.isclose(*pair, rel_tol=0.05, abs_tol=0.05) for pair in pairs)
    return found if near or found != "fine" else "other answers"


def by_sum(stable, candidate):
    same_length = len(stable[1]) == len(candidate[1])
    sums = [(status, [sum(them)]) for status, them in (stable, candidate)]
    return worse(*sums) if same_length else worse(stable, candidate)


def one_word(stable, candidate):
    return "fine" if worse(stable, candidate) == "fine" else "other answers"


NAN = float("nan")

task_5 = function(
    "write the function worse and run both cells",
    "Right, for 14 pairs of answers. The router's function complaint() does the same.",
    worse,
    [
        ((200, [9.0]), (200, [9.0])),
        ((503, []), (503, [])),
        ((200, [9.0]), (503, [])),
        ((200, [9.0]), (400, [])),
        ((400, []), (400, [])),
        ((200, [8.9932]), (200, [9.0])),
        ((200, [9.0]), (200, [6.9])),
        ((200, [100.0, 1.0]), (200, [104.0, 1.0])),
        ((200, [1.0, 2.0]), (200, [1.0, 3.0])),
        ((200, [1.0, 2.0]), (200, [2.0, 1.0])),
        ((200, [1.0, 2.0]), (200, [1.0])),
        ((200, [1.0]), (200, [NAN])),
        ((503, []), (200, [9.0])),
        ((200, [0.0]), (200, [0.01])),
    ],
    (relative, "Near zero 5 % are next to nothing: use abs_tol."),
    (exactly, "Two versions seldom agree to the last digit."),
    (down_too, "The stable version fails as well: going back would not help."),
    (stable_down, "The stable version fails, so this candidate is no worse."),
    (one_word, "Three words are possible: which fits these statuses?"),
    (by_sum, "Compare number with number: a sum hides which is which."),
    (strictly, "zip(strict=True) raises here: compare the lengths first."),
    (shorter, "One of the two lists is shorter."),
    (first_alone, "Compare all numbers, not the first alone."),
    (any_near, "All numbers have to be near; all() of nothing is True, any() False."),
    (by_difference, "Every comparison with NaN is false: ask for what is near."),
    (swapped, "The stable version's pair comes first, the candidate's second."),
    (by_status, "A model that is wrong answers 200 as well: compare the numbers."),
)
