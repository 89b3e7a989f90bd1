import inspect
import json
import math
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from numbers import Real

import requests
from flask import Flask, request

from course.checks.form import Guess, Hint, call, outcome, task, told
from course.relay import Relay

MODEL = "/predictions/simple_linear"
SLOW = 0.05  # seconds that one answer takes longer
FEW, LATE, REFUSED = 4, 2, 1  # requests; the late one and the refused one of them


def plain(function):
    """A hint for a function that does nothing when it is called."""
    if inspect.iscoroutinefunction(function):
        raise Hint("Called, it gives a coroutine: def in place of async def, please.")
    if inspect.isgeneratorfunction(function):
        raise Hint("yield makes a generator of it: collect a list, and return that.")


async def awaited(*_):
    return []


def right_p99(times):
    ordered = sorted(times)
    return ordered[math.ceil(0.99 * len(times)) - 1]


def in_place(times):
    times.sort()
    return right_p99(times)


@task(
    (right_p99, "Right"),
    (lambda times: statistics.quantiles(times, n=100)[98], "go between two?"),
    (lambda times: sorted(times)[int(0.99 * len(times))], "count from 0"),
    (lambda times: sorted(times)[int(0.99 * len(times)) - 1], "Round up"),
    (lambda times: print(end=""), "Is there a return?"),
    (lambda times: str(max(times)), "Return one of the times"),
    (in_place, "in a new order"),
    (max, "the slowest"),
    (awaited, "in place of async def"),
    (lambda times: sorted(times)[989], "depends on how many"),
    (lambda times: math.ceil(0.99 * len(times)), "gives 1. The place"),
    (lambda times: times[math.ceil(0.99 * len(times)) - 1], "Sort"),
    (lambda times: sorted(times)[len(times) // 100], "the other end"),
    (statistics.median, "the median"),
    (statistics.mean, "the mean"),
    (lambda times: 0.99 * max(times), "none of the times"),
    (lambda times: sorted(times)[95 * len(times) // 100], "95 percent"),
    (lambda times: right_p99(times) if len(times) > 1 else 0.0, "of a single one"),
)
def task_1(p99: Callable):
    """write p99(times) and run both cells"""
    plain(p99)
    ordered = [float(time) for time in range(1, 1001)]
    times = [ordered[7 * place % 1000] for place in range(1000)]
    times[-1], times[times.index(1000.0)] = 5000.0, times[-1]
    ordered[-1] = 5000.0
    given = list(times)
    found = call("p99(times)", p99, given)
    if found is None:
        return "p99 gives None. Is there a return?"
    if isinstance(found, bool) or not isinstance(found, Real):
        return f"p99 gives {told(found)}. Return one of the times."
    if given != times:
        return "Your list of times is in a new order now: sorted(times) is a copy."
    said = f"Of these 1,000 times, 990 is right, and p99 gives {found:g}."
    if found == 5000:
        return f"{said} That is the slowest of all."
    if found in (times[989], times[990]):
        return f"{said} Sort the times first."
    if found in ordered[:20]:
        return f"{said} That is the other end: the fast ones."
    if math.isclose(found, statistics.median(times)):
        return f"{said} That is the median."
    if math.isclose(found, statistics.mean(times)):
        return f"{said} That is the mean."
    if found == 991:
        return f"{said} That is one too far: places in a list count from 0."
    if found != 990:
        known = (
            "none of the times" if found not in ordered else "not enough, or too many"
        )
        slower = sum(time <= found for time in ordered) // 10
        said = f"{said} It is {known}; {slower} percent are no slower than that."
        return f"{said} Does your library go between two?" if slower == 99 else said
    try:
        single = p99([7.0])
    except Exception as error:
        single = error
    if single != 7:
        return (
            "For 1,000 times it is right; of a single one, 7.0, it has to be 7.0, and "
            f"gives {told(single)}. The place depends on how many there are."
        )
    found = call("p99 of 160 times", p99, ordered[159::-1])
    if found != 159:
        return (
            "For 1,000 times it is right. Of the times 1 to 160 it is 159, because 99 "
            f"percent of 160 are 158.4, and p99 gives {told(found)}. Round up."
        )
    return "Right: 990 of 1,000 answers took no longer than 990 ms."


def kept(url, data, total):
    times = []
    with requests.Session() as session:
        for _ in range(total):
            start = time.perf_counter()
            response = session.post(url, json=data, timeout=30)
            response.raise_for_status()
            times.append(1000 * (time.perf_counter() - start))
    return times


BARE = "        for _ in range(total):"
LOOP = f"{BARE}\n            start = time.perf_counter()"


def changed(old, new, function=kept):
    """The function with another text in it: a typical mistake."""
    source = inspect.getsource(function)
    assert old in source, old
    scope = {**globals()}
    exec(source.replace(old, new), scope)
    return scope[function.__name__]


def look_at(times, total, seconds, late):
    """Raise a Hint unless these are the milliseconds of each request."""
    if not isinstance(times, list):
        raise Hint(f"It gives {told(times)}. Return the list of all times.")
    if not all(isinstance(time, Real) and not isinstance(time, bool) for time in times):
        raise Hint(f"It gives {told(times)}. The list holds numbers alone.")
    if len(times) != total:
        raise Hint(f"{total} requests, and {len(times)} times: note each one.")
    if 0.9 * late <= times[LATE] < 10 * late:
        raise Hint(f"One answer came {1000 * late:.0f} ms late: those are seconds.")
    if sum(times) > 1010 * seconds:
        raise Hint(
            f"The times add up to {sum(times):.0f} ms, and all took "
            f"{1000 * seconds:.0f}. Where is the clock started?"
        )
    if times[LATE] < 990 * late:
        raise Hint(
            f"One answer came {1000 * late:.0f} ms late, and {times[LATE]:.3f} is "
            "noted. Is the clock read before and after the request?"
        )


@task(
    (kept, "Right"),
    (lambda url, data, total: [], "No request came"),
    (changed("return times", "return sum(times)"), "list of all times"),
    (changed("return times", "return times[1:]"), "note each one"),
    (changed("return times", "return [str(t) for t in times]"), "numbers alone"),
    (changed("range(total)", "range(2 * total)"), "8 requests came"),
    (changed("session.post", "requests.post"), "4 connections"),
    (changed("json=data", "json={'value': data}"), "json=data sends it as it is"),
    (changed("json=data", "data=data"), "json=data sends it as it is"),
    (changed("session.post", "session.push"), "raises AttributeError"),
    (awaited, "in place of async def"),
    (changed("return times", "yield times"), "yield makes a generator"),
    (changed("json=data", "json=1.0"), "the data 5.0"),
    (changed("1000 * ", ""), "those are seconds"),
    (
        changed(LOOP, f"        start = time.perf_counter()\n{BARE}"),
        "Where is the clock",
    ),
    (changed("response.raise_for_status()", "pass"), "raise_for_status"),
)
def task_2(kept_open: Callable, torchserve):
    """write kept_open(url, data, total) and run both cells"""
    plain(kept_open)
    server = torchserve.inference
    requests.get(f"{server}/ping", timeout=10)
    with Relay(server, slow={LATE: SLOW}) as relay:
        start = time.perf_counter()
        try:
            times = call("kept_open", kept_open, relay.url + MODEL, 5.0, FEW)
        except Hint as hint:
            sent = "body" in str(hint) or "400" in str(hint)
            raise Hint(
                f"{hint} json=data sends it as it is." if sent else hint
            ) from None
        seconds = time.perf_counter() - start
    came = len(relay.bodies)
    if not came:
        return "No request came to the server."
    if came != FEW:
        return f"{came} requests came, and not {FEW}."
    if any(json.loads(body) != 5.0 for body in relay.bodies):
        return f"Each request carries the data 5.0, and not {told(relay.bodies[0])}."
    if relay.connections != 1:
        return (
            f"{came} requests came over {relay.connections} connections. "
            "Whose post keeps one open?"
        )
    look_at(times, FEW, seconds, SLOW)
    with Relay(server, refused=REFUSED) as relay:
        refused = outcome(kept_open, relay.url + MODEL, 5.0, FEW)
    if not isinstance(refused, Exception):
        return (
            "An answer was a 503, and no error came of it. "
            "raise_for_status() raises one."
        )
    return (
        f"Right: {FEW} requests, 1 connection, {statistics.median(times):.1f} ms each."
    )


def right_throughput(ask, callers, total):
    with ThreadPoolExecutor(callers) as pool:
        start = time.perf_counter()
        list(pool.map(ask, [5.0] * total))
        seconds = time.perf_counter() - start
    return total / seconds


def in_a_loop(ask, callers, total):
    """What asyncio.run() says in a notebook."""
    raise RuntimeError("asyncio.run() cannot be called from a running event loop")


MAP = "pool.map(ask, [5.0] * total)"
SUBMIT = "[pool.submit(ask, 5.0) for _ in range(total)]; pool.shutdown()"


class Ask:
    """Asks the model for one number, and notes how many ask at the same time."""

    def __init__(self, server, callers, failing=-1):
        self.url, self.callers, self.failing = f"{server}{MODEL}", callers, failing
        self.calls = self.running = self.most = 0
        self.asked = []
        self.patience = 1.0  # seconds to wait for the other callers
        self.first, self.last = math.inf, 0.0
        self.change = threading.Condition()

    def __call__(self, x):
        with self.change:
            number, self.calls = self.calls, self.calls + 1
            self.running += 1
            self.asked.append(x)
            self.most = max(self.most, self.running)
            self.first = min(self.first, time.perf_counter())
            self.change.notify_all()
            if not self.change.wait_for(
                lambda: self.most >= self.callers, self.patience
            ):
                self.patience = 0.0
        try:
            if number == self.failing:
                raise requests.HTTPError("503, from the check")
            response = requests.post(self.url, json=x, timeout=30)
            response.raise_for_status()
            time.sleep(0.02)  # long enough to see who else asks
            return response.json()[0]
        finally:
            with self.change:
                self.running -= 1
                self.last = time.perf_counter()

    def __deepcopy__(self, memo):
        return self


@task(
    (right_throughput, "Right"),
    (lambda ask, callers, total: print(end=""), "Return a number"),
    (lambda ask, callers, total: 700.0, "0 requests"),
    (changed("[5.0] * total", "[5.0] * total * callers", right_throughput), "48 requ"),
    (changed("[5.0] * total", "range(total)", right_throughput), "and not 5.0"),
    (changed("list(pool.map(", "list(map(", right_throughput), "1 at a time"),
    (
        changed("Executor(callers)", "Executor(total)", right_throughput),
        "how many threads",
    ),
    (changed("return total /", "return", right_throughput), "smaller"),
    (changed("return total", "return callers * total", right_throughput), "12 of each"),
    (awaited, "in place of async def"),
    (in_a_loop, "take threads"),
    (changed(f"list({MAP})", MAP, right_throughput), "before the last answer"),
    (changed(f"list({MAP})", SUBMIT, right_throughput), "a request failed"),
)
def task_3(throughput: Callable, torchserve):
    """write throughput(ask, callers, total) and run both cells"""
    plain(throughput)
    callers, total = 4, 12
    requests.get(f"{torchserve.inference}/ping", timeout=10)
    ask = Ask(torchserve.inference, callers)
    start = time.perf_counter()
    try:
        found = call("throughput(ask, 4, 12)", throughput, ask, callers, total)
    except Hint as hint:
        loop = " The notebook has a loop of its own: take threads."
        raise Hint(f"{hint}{loop * ('event loop' in str(hint))}") from None
    most = total / (ask.last - ask.first) if ask.calls else 0
    least = total / (time.perf_counter() - start)
    if isinstance(found, bool) or not isinstance(found, Real):
        return f"throughput gives {told(found)}. Return a number."
    if ask.calls != total:
        return f"throughput(ask, 4, 12) sent {ask.calls} requests, and not 12."
    if ask.asked != [5.0] * total:
        odd = next(x for x in ask.asked if x != 5.0)
        return f"ask was called with {told(odd)}, and not 5.0."
    if ask.most != callers:
        return (
            f"At most {ask.most} at a time asked, and not {callers}: how many threads?"
        )
    if 0.98 * least <= found / callers <= 1.02 * most:
        return (
            f"It gives {found:.0f} a second, and it was {most:.0f}: "
            "12 answers in all, not 12 of each caller."
        )
    if found > 1.02 * most:
        return (
            f"It gives {found:.0f} a second, and it was {most:.0f}: "
            "the clock was read before the last answer came."
        )
    if not found >= 0.98 * least:
        return (
            f"It gives {found:.3g}, and it was {least:.0f} a second: that is smaller. "
            "Requests divided by seconds?"
        )
    failed = outcome(throughput, Ask(torchserve.inference, callers, 5), callers, total)
    if not isinstance(failed, Exception):
        return (
            f"It gives {told(failed)} although a request failed: look at every result; "
            "list(pool.map(…)), or result() of a future, raises what ask has raised."
        )
    return f"Right: {total} answers, {callers} at a time, {found:.0f} a second."


def in_process(app, total):
    client = app.test_client()
    times = []
    for _ in range(total):
        start = time.perf_counter()
        response = client.post("/predict", json={"value": 5})
        assert response.status_code == 200
        times.append(1000 * (time.perf_counter() - start))
    return times


RAISE = "response.raise_for_status()"
ASKED = """
        response = client.post("/predict", json={"value": 5})
        assert response.status_code == 200"""
NOTED = """
        times.append(1000 * (time.perf_counter() - start))"""


@task(
    (in_process, "Right"),
    (lambda app, total: [1.0] * total, "0 requests"),
    (
        lambda app, total: requests.post("http://127.0.0.1:1/predict"),
        "over the network",
    ),
    (
        changed("assert response.status_code == 200", RAISE, in_process),
        "status_code to compare",
    ),
    (lambda app, total: app.predict(), "raises AttributeError"),
    (changed("return times", "return total", in_process), "list of all times"),
    (changed("range(total)", "range(total + 1)", in_process), "5 requests"),
    (changed('{"value": 5}', "5", in_process), "the JSON 5"),
    (changed("1000 * ", "", in_process), "those are seconds"),
    (changed("assert response.status_code == 200", "pass", in_process), "a 503"),
    (changed(ASKED + NOTED, NOTED + ASKED, in_process), "before and after"),
)
def task_4(measure_app: Callable):
    """write measure_app(app, total) and run both cells"""
    plain(measure_app)
    app, came, refused = Flask("check"), [], set()

    @app.post("/predict")
    def answer():
        number = len(came)
        came.append(request.get_json(silent=True))
        if number in refused:
            return {"message": "refused by the check"}, 503
        time.sleep(SLOW if number == LATE else 0)
        return {"input": 5.0, "prediction": 9.0}

    start = time.perf_counter()
    try:
        times = call("measure_app", measure_app, app, FEW)
    except requests.RequestException:
        return "It asks over the network. The client of app.test_client() has a post."
    except Hint as hint:
        status = " This client's responses have a status_code to compare."
        raise Hint(f"{hint}{status * ('raise_for_status' in str(hint))}") from None
    seconds = time.perf_counter() - start
    if len(came) != FEW:
        return f"{len(came)} requests came to /predict, and not {FEW}."
    if any(body != {"value": 5} for body in came):
        return f"The app got the JSON {told(came[0])}, and not {{'value': 5}}."
    look_at(times, FEW, seconds, SLOW)
    refused.add(FEW + REFUSED)
    if not isinstance(outcome(lambda: measure_app(app, FEW)), Exception):
        return "An answer was a 503, and no error came of it: look at status_code."
    return f"Right: {FEW} requests without a network, {min(times):.2f} ms the fastest."


ONE = "TorchServe hands each request from a Java process to a Python process and back."
TWO = "Flask's development server opens a connection for each request, all in Python."
NEAR = "The difference was more than a tenth."

guess_1 = Guess(
    {
        "a": ("TorchServe is faster", ONE),
        "b": ("Flask is faster", TWO),
        "c": ("they differ by less than a tenth", NEAR),
    }
)

guess_2 = Guess(
    {
        "a": (
            "TorchServe gets more done",
            "In both, one Python process computes: TorchServe has one worker.",
        ),
        "b": ("Flask gets more done", TWO),
        "c": ("they differ by less than a tenth", NEAR),
    }
)
