import os
import random
import statistics
import tempfile
from collections.abc import Callable
from numbers import Real
from pathlib import Path

import numpy
import requests

from course.checks.form import Guess, Hint, call, outcome, same, task, told
from course.traffic import EACH, measure

guess_1 = Guess(
    {
        "a": ("twice as many, or nearly", "Here something else ran out first."),
        "b": ("more, and less than twice as many", "The cores decide: see below."),
        "c": ("no more than one worker", "A free core was left for it."),
    }
)

guess_2 = Guess(
    {
        "a": ("nothing", "A batch that is not full waits, for one request as well."),
        "b": ("20 ms, each time", ""),
        "c": ("20 ms, the first time", "Each request begins a batch of its own."),
    },
    right="b",
)


def seen(**count_of):
    """Statuses and seconds: seen(s200_10=90) is 90 times 200 in 10 ms."""
    return [
        (int(name[1:].split("_")[0]), int(name.split("_")[1]) / 1000)
        for name, count in count_of.items()
        for _ in range(count)
    ]


CASES = [
    (
        "200 answers in 10 ms within 0.5 s",
        seen(s200_10=200),
        0.5,
        (400, 10),
        "Answers by seconds, and milliseconds.",
    ),
    (
        "100 times 200 in 20 ms and 100 times 503 in 1 ms, within 1 s",
        seen(s200_20=100, s503_1=100),
        1.0,
        (100, 20),
        "A refusal is no answer, however fast.",
    ),
    (
        "100 times 200 in 10 ms and 20 times 503 in 900 ms, within 1 s",
        seen(s200_10=100, s503_900=20),
        1.0,
        (100, 10),
        "The time of a refusal is no answer's time.",
    ),
    (
        "100 times 200 in 10 ms and 20 times 0 (no answer) in 900 ms, within 1 s",
        seen(s200_10=100, s0_900=20),
        1.0,
        (100, 10),
        "Only a 200 is an answer.",
    ),
    (
        "200 answers, all in 10 ms but 3 in 300, within 1 s",
        seen(s200_10=197, s200_300=3),
        1.0,
        (200, 300),
        "99 of 100 took no longer than p99: 197 are too few.",
    ),
    (
        "500 answers in 10 ms, but one in 900, within 2 s",
        seen(s200_10=499, s200_900=1),
        2.0,
        (250, 10),
        "p99 is not the longest time.",
    ),
]


def summing(counted=lambda status: status == 200, factor=1000, of=None, by=None):
    """summary() as learners write it."""

    def p99(times):
        return statistics.quantiles(times, n=100)[98]

    def summary(load, seconds):
        times = [factor * took for status, took in load if counted(status)]
        return len(times) / (by(times) if by else seconds), (of or p99)(times)

    return summary


def all_times(load, seconds):
    per_second, _ = summing()(load, seconds)
    return per_second, summing(lambda status: True)(load, seconds)[1]


@task(
    (summing(), "Right"),
    (lambda load, seconds: [*summing()(load, seconds)], "Right"),
    (lambda load, seconds: numpy.array(summing()(load, seconds), "f4"), "Right"),
    (lambda load, seconds: [*numpy.array(summing()(load, seconds), "f4")], "Right"),
    (lambda load, seconds: [f"{n:.0f}" for n in summing()(load, seconds)], "is text"),
    (summing(lambda status: True), "A refusal is no answer"),
    (summing(factor=1), "and milliseconds"),
    (summing(by=lambda times: sum(times) / 1000), "by seconds"),
    (summing(of=max), "not the longest"),
    (summing(of=statistics.fmean), "197 are too few"),
    (summing(of=statistics.median), "197 are too few"),
    (summing(of=lambda times: sorted(times)[97 * len(times) // 100]), "197 are too"),
    (summing(lambda status: status < 400), "Only a 200 is an answer"),
    (all_times, "no answer's time"),
    (lambda load, seconds: len(load) / seconds, "two numbers"),
)
def task_1(summary: Callable):
    """write the function summary and run both cells"""
    for label, load, seconds, wanted, hint in CASES:
        found = outcome(summary, load, seconds)
        if isinstance(found, numpy.ndarray):
            found = found.tolist()
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            return (
                f"{label}: it gives {told(found)}, and not two numbers. "
                "Return them with a comma between."
            )
        if texts := [number for number in found if isinstance(number, str)]:
            return f"{label}: {texts[0]!r} is text. Numbers are asked for, not shown."
        if not all(
            isinstance(number, Real) and abs(number - right) <= 0.01 * right
            for number, right in zip(found, wanted, strict=True)
        ):
            return f"{label}: it gives {told(tuple(found))}, not {wanted}. {hint}"
    return f"Right, for {len(CASES)} loads."


# What the learner's setting has to keep to, beside mlp without batches.
RATIO = 2 / 3  # of its p99 with sixteen callers
MORE = 10  # milliseconds that a lone caller may wait longer

SETTINGS = {
    "url": "which archive of the model store?",
    "model_name": "it is to be called mine.",
    "initial_workers": "one worker is all that the memory allows.",
    "batch_size": "how many requests go into a batch, at most?",
    "max_batch_delay": "how many milliseconds may a batch wait to be full?",
}
# What a query may hold besides; the check waits for the worker in any case.
MORE_SETTINGS = {"synchronous", "response_timeout", "startup_timeout"}
MINE = {"url": "mlp.mar", "model_name": "mine", "initial_workers": 1}
NUMBERS = ("initial_workers", "batch_size", "max_batch_delay")


def setting(**changed):
    right = {**MINE, "batch_size": 16, "max_batch_delay": 2}
    return {k: text for k, text in {**right, **changed}.items() if text is not None}


def looked_at(query):
    """What can be said without a server."""
    for name in query:
        if name not in SETTINGS.keys() | MORE_SETTINGS:
            raise Hint(
                f"{told(name)} is none of the names that you need. TorchServe ignores "
                "those that it does not know."
            )
    for name, hint in SETTINGS.items():
        if name not in query:
            raise Hint(f"{name} is missing: {hint}")
    for name in NUMBERS:
        if not str(query[name]).isdecimal():
            raise Hint(f"{name} is {told(query[name])}: it has to be a whole number.")
    whole = {name: int(str(query[name])) for name in NUMBERS}
    if not same(query["model_name"], "mine") or whole["initial_workers"] != 1:
        name = "initial_workers" if whole["initial_workers"] != 1 else "model_name"
        raise Hint(f"{name} is {told(query[name])}: {SETTINGS[name]}")
    if whole["batch_size"] < 1 or whole["max_batch_delay"] > 5000:
        raise Hint("batch_size begins at 1; a delay over 5000 ms is not measured here.")
    if whole["batch_size"] == 1:
        raise Hint("batch_size is 1: a batch of one is what mlp has already.")
    return whole


def measured(inference, name, body, callers, count):
    load = measure(
        rf"""
        curl --parallel --parallel-immediate --parallel-max {callers} --max-time 30 \
            --data-binary @{body} --header "Content-Type: application/octet-stream" \
            --output {os.devnull} --write-out "{EACH}" \
            "{inference}/predictions/{name}#[1-{count}]"
        """
    )
    if load.statuses != {200: count}:
        raise Hint(f"{name} answers {load.statuses}, and not {count} times 200.")
    return load


def compare(inference, delay):
    """p99 of a crowd and median of a lone caller, of mine and of mlp, in turns.

    Noise makes numbers larger, so each is the least of two or three measurements.
    """
    best = {}
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder, "row.bin")
        body.write_bytes(bytes(512))
        for turn in range(3):
            for name in ("mlp", "mine"):
                crowd = measured(inference, name, body.as_posix(), 16, 160).p99
                # A long delay makes few requests enough.
                count = 10 if delay < 50 else 3
                lone = measured(inference, name, body.as_posix(), 1, count).median
                before = best.get(name, (crowd, lone))
                best[name] = min(before[0], crowd), min(before[1], lone)
            (old_crowd, old_lone), (crowd, lone) = best["mlp"], best["mine"]
            meets = crowd <= RATIO * old_crowd, lone <= old_lone + MORE
            if (turn and all(meets)) or lone > old_lone + 2 * MORE:
                break  # met, or far from it
    return (old_crowd, old_lone), (crowd, lone), meets


@task(
    (setting(), "Right"),
    (setting(batch_size="8", max_batch_delay=5), "Right"),
    (setting(synchronous="false"), "Right"),
    (setting(batch_size=1), "what mlp has already"),
    (setting(max_batch_delay=40), "limit of the lone caller missed"),
    (setting(initial_workers=2), "one worker is all"),
    (setting(model_name="mlp"), "to be called mine"),
    (setting(max_batch_delay=None), "max_batch_delay is missing"),
    (setting(batch_size=None, batchSize=16), "'batchSize' is none of"),
    (setting(batch_size=0), "begins at 1"),
    (setting(max_batch_delay=2.5), "a whole number"),
    (setting(url="mlp_.mar"), "TorchServe says 404"),
)
def task_2(mine: dict, batching):
    """put the query, a dictionary, into mine and run both cells"""
    whole = looked_at(mine)
    models = f"{batching.management}/models"
    if requests.get(f"{models}/mine", timeout=10).ok:
        requests.delete(f"{models}/mine", timeout=10)
    query = {**mine, "synchronous": "true"}
    answer = requests.post(models, params=query, timeout=60)
    if not answer.ok:
        raise Hint(f"TorchServe says {answer.status_code}: {answer.json()['message']}")
    try:
        measured_both = compare(batching.inference, whole["max_batch_delay"])
    finally:
        requests.delete(f"{models}/mine", timeout=10)
    (old_crowd, old_lone), (crowd, lone), (crowd_met, lone_met) = measured_both
    numbers = (
        f"sixteen callers: p99 {crowd:.1f} ms, limit {RATIO * old_crowd:.1f}; "
        f"a lone caller: {lone:.1f} ms, limit {old_lone + MORE:.1f}."
    )
    if not lone_met:
        return (
            f"The limit of the lone caller missed: {numbers} Whoever is alone waits "
            "for the whole delay."
        )
    if not crowd_met:
        raise Hint(
            f"The limit of p99 of sixteen callers missed: {numbers} Are there fewer "
            "calls of the model, and is a batch full before its delay is over?"
        )
    return f"Right, both limits are met: {numbers}"


def patiently(
    repeated=(503,),
    tries=6,
    grow=2,
    cap=0.5,
    spread=1.0,
    says=True,
    late=False,
    pause_1=0.05,
):
    """patient() as learners write it."""

    def patient(send, wait):
        pause = pause_1
        for _ in range(tries - 1):
            status = send()
            if status not in repeated:
                return status if says else None
            wait(min(pause, cap) * random.uniform(1, 1 + spread))
            pause *= grow
        status = send()
        if late and status in repeated:
            wait(cap)
        return status if says else None

    return patient


def full_jitter(send, wait):
    return patiently()(send, lambda seconds: wait(random.uniform(0, seconds / 2)))


def never_waits(send, wait):
    statuses = [send() for _ in range(6)]
    return next((status for status in statuses if status != 503), 503)


def at_once(send, wait):
    for _ in range(6):
        status = send()
        if status != 503:
            break
    return status


def tried(patient, statuses):
    """What patient() returns, how often it sent and how long it waited each time.

    The last of the statuses comes again and again.
    """
    sent, waits = [], []

    def send():
        if len(sent) >= 50:
            raise RuntimeError
        sent.append(statuses[min(len(sent), len(statuses) - 1)])
        return sent[-1]

    try:
        says = call(f"send() gives {statuses}: it", patient, send, waits.append)
    except Hint:
        if len(sent) < 50:
            raise
        raise Hint("After 50 tries it still asks: when is the last try?") from None
    return says, len(sent), waits


@task(
    (patiently(), "Right"),
    (patiently(repeated=(500, 503)), "gives [500]"),
    (patiently(repeated=(400, 503)), "gives [400]"),
    (patiently(repeated=()), "gives [503, 503, 200]"),
    (never_waits, "asks 6 times, not 1"),
    (at_once, "waits 0 times"),
    (patiently(tries=1000), "After 50 tries"),
    (patiently(tries=20), "20 times"),
    (patiently(tries=7), "asks 7 times"),
    (patiently(tries=5), "asks 5 times"),
    (patiently(late=True), "Nobody asks after the last"),
    (patiently(grow=1), "twice as long"),
    (patiently(spread=0), "come back together"),
    (patiently(spread=0.1), "as much again"),
    (patiently(cap=99), "at most 1 s"),
    (patiently(cap=99, grow=4), "at most 1 s"),
    (patiently(cap=1), "at most 1 s"),
    (patiently(says=False), "returns None"),
    (patiently(pause_1=0.5, cap=0.5), "from 0.05 to 0.1 s is asked"),
    (patiently(pause_1=0.0005), "from 0.05 to 0.1 s is asked"),
    (full_jitter, "from 0.05 to 0.1 s is asked"),
)
def task_3(patient: Callable):
    """write the function patient and run both cells"""
    for statuses, status, count in (
        ([200], 200, 1),
        ([400], 400, 1),
        ([500], 500, 1),
        ([503, 503, 200], 200, 3),
        ([503, 400], 400, 2),
    ):
        says, sent, waits = tried(patient, statuses)
        label = f"send() gives {statuses}"
        if not (isinstance(says, int) and says == status):
            return f"{label}: patient returns {told(says)}, not {status}."
        if sent != count:
            return f"{label}: patient asks {sent} times, not {count}."
        if len(waits) != count - 1:
            return f"{label}: patient waits {len(waits)} times, not {count - 1}."
    says, sent, first = tried(patient, [503])
    if sent != 6 or says != 503:
        return (
            f"Nothing but 503: it asks {sent} times and returns {told(says)}. "
            "The sixth try is the last, the first one counted."
        )
    if len(first) != 5:
        return f"It waits {len(first)} times for 6 tries. Nobody asks after the last."
    runs = [first, *(tried(patient, [503])[2] for _ in range(30))]
    if (longest := max(map(max, runs))) > 1:
        return f"It waits {longest:.1f} s: at most 1 s, jitter and all."
    if all(waits == first for waits in runs):
        return "It waits equally long each time it is called: all come back together."
    if odd := [w[0] for w in runs if not 0.04 <= w[0] <= 0.15]:
        return (
            f"Its first wait is {odd[0]:.4f} s: from 0.05 to 0.1 s is asked, since the "
            "random time comes on top of 0.05 and may be as much again."
        )
    if statistics.median(w[-1] for w in runs) < 4 * statistics.median(
        w[0] for w in runs
    ):
        waits = ", ".join(f"{pause:.2f}" for pause in first)
        return f"It waits {waits} s: twice as long each time is more."
    third = sorted(waits[2] for waits in runs)
    if third[-1] - third[0] < 0.3 * third[0]:
        return (
            f"Each third wait is from {third[0]:.2f} to {third[-1]:.2f} s: the random "
            "time may be as much again, so that callers spread."
        )
    return (
        f"Right: the last of {sent} tries ends it, after waits of {sum(first):.1f} s."
    )


def carefully(
    again=(500, 507, 0), spare=1, waiting=(503,), each=False, tries=6, hurried=False
):
    """careful() as learners write it."""

    def careful(send, wait):
        pause, left = 0.05, dict.fromkeys(again, spare)
        for _ in range(tries - 1):
            status = send()
            if left.get(status, 0):
                for one in [status] if each else again:
                    left[one] -= 1
            elif status not in waiting:
                return status
            if status in waiting or not hurried:
                wait(min(random.uniform(pause, 2 * pause), 1))
            pause *= 2
        return send()

    return careful


def in_two_halves(send, wait):
    status = patiently()(send, wait)
    if status in (500, 507, 0):
        wait(0.05)
        status = patiently()(send, wait)
    return status


def two_in_a_row(send, wait):
    last = 200
    for _ in range(6):
        status = send()
        if status not in (500, 507, 0, 503) or last != 503 != status != last != 200:
            return status
        last = status
        wait(0.1)
    return status


def late(send, wait):
    status = carefully()(send, wait)
    if status == 503:
        wait(1)
    return status


ONCE = "Once more for all of them together: the request itself may be what is wrong."


@task(
    (carefully(), "Right"),
    (patiently(), "500 and 507 may be"),
    (carefully(again=(500, 507)), "0 is no answer"),
    (carefully(spare=9), "Once more for all"),
    (carefully(each=True), "Once more for all"),
    (carefully(waiting=(503, 400)), "wrong the next time, too"),
    (carefully(waiting=()), "a full queue"),
    (carefully(tries=1000), "After 50 tries"),
    (carefully(tries=20), "asks 20 times"),
    (in_two_halves, "after 6. Six tries in all"),
    (carefully(hurried=True), "waits 0 times"),
    (late, "waits 6 times"),
    (lambda send, wait: send() and None, "returns None"),
)
def task_4(careful: Callable):
    """write the function careful and run both cells"""
    for statuses, status, count, hint in (
        ([200], 200, 1, "A 200 is the end."),
        ([400, 200], 400, 1, "What is wrong now is wrong the next time, too."),
        ([503, 503, 200], 200, 3, "Mostly a 503 is a full queue, as for patient."),
        ([500, 200], 200, 2, "500 and 507 may be the end of a worker: once more."),
        ([0, 200], 200, 2, "0 is no answer in time: once more."),
        ([507, 507, 200], 507, 2, ONCE),
        ([0, 500, 200], 500, 2, ONCE),
        ([500, 503, 507, 200], 507, 3, ONCE),
        ([503, 500, 503, 200], 200, 4, "Between 503s there may be another error."),
        ([503], 503, 6, "The sixth try is the last, the first one counted."),
        ([503] * 5 + [500, 200], 500, 6, "Six tries in all, whatever they meet."),
    ):
        says, sent, waits = tried(careful, statuses)
        label = f"send() gives {statuses}: careful"
        if not (isinstance(says, int) and says == status and sent == count):
            wanted = f"not {status} after {count}"
            return (
                f"{label} asks {sent} times and returns {told(says)}, {wanted}. {hint}"
            )
        if len(waits) != count - 1:
            return (
                f"{label} asks {count} times and waits {len(waits)} times. "
                "It waits between two tries, each time, and nowhere else."
            )
    return "Right: a 503 a few times, a 500, 507 or no answer once, a 400 never."
