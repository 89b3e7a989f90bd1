import contextlib
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from numbers import Real

import requests

from course import servers
from course.checks.form import Guess, Hint, call, outcome, same, task, told

SLOW = 1.5  # seconds until the slow server answers


class Broken(BaseHTTPRequestHandler):
    """A server in trouble: /busy and /ill say so, /page in HTML, /slow is late."""

    def do_POST(self):  # noqa: N802 (the library calls it so)
        status, body = {
            "/busy": (503, '{"code": 503, "message": "no worker"}'),
            "/ill": (500, '{"code": 500, "message": "no memory"}'),
            "/page": (502, "<html><h1>Bad gateway</h1></html>"),
        }.get(self.path, (200, "[9.0]"))
        if self.path == "/slow":
            self.server.ending.wait(SLOW)
        with contextlib.suppress(OSError):  # the client has given up
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

    def log_message(self, *_): ...


@contextlib.contextmanager
def broken_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        server.ending = threading.Event()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.ending.set()
            server.shutdown()
            thread.join()


guess_1 = Guess(
    {
        "a": ("500 and 404", "The handler refuses what is no number, with a 400."),
        "b": ("400 and 404", ""),
        "c": ("400 and 503", "503 is for a model that is there and has no worker."),
    },
    right="b",
)
guess_2 = Guess(
    {
        "a": (
            "the request waits, TorchServe starts a worker, and 9 comes back",
            "TorchServe never scales by itself.",
        ),
        "b": ("a 503 at once", ""),
        "c": ("a 404", "The model is still registered; only its workers are gone."),
    },
    right="b",
)


def predict(url, number, seconds=2):
    try:
        answer = requests.post(url, json=number, timeout=seconds)
    except requests.RequestException as error:
        raise ConnectionError(f"no answer from {url}") from error
    if answer.status_code >= 500:
        raise ConnectionError(answer.text)
    if not answer.ok:
        raise ValueError(answer.json()["message"])
    return answer.json()[0]


def _keywords(url, number, *, seconds=2):
    return predict(url, number, seconds)


def _above_500(url, number, seconds=2):
    answer = requests.post(url, json=number, timeout=seconds)
    if answer.status_code > 500:
        raise ConnectionError(answer.text)
    return _says(url, number, seconds, None)


async def _coroutine(*given, **named):
    return given


def _whole(url, number, seconds=2):
    return requests.post(url, json=number, timeout=seconds).json()


def _first(url, number, seconds=2):
    return _whole(url, number, seconds)[0]


def _raise_for_status(url, number, seconds=2):
    answer = requests.post(url, json=number, timeout=seconds)
    answer.raise_for_status()
    return answer.json()[0]


def _says(url, number, seconds=2, message="no"):
    answer = requests.post(url, json=number, timeout=seconds)
    if not answer.ok:
        raise ValueError(message or answer.json()["message"])
    return answer.json()[0]


def _pythons(url, number, seconds=2):
    """Catches Python's ConnectionError, which requests never raises."""
    try:
        answer = requests.post(url, json=number, timeout=seconds)
    except ConnectionError as error:
        raise ConnectionError(url) from error
    if answer.status_code >= 500:
        raise ConnectionError(answer.text)
    return _says(url, number, seconds, None)


def _impatient(url, number, seconds=2, timeout=None):
    try:
        return predict(url, number, timeout)
    except ConnectionError as error:
        raise ConnectionError(url) from error


def _json_first(url, number, seconds=2):
    answer = requests.post(url, json=number, timeout=seconds)
    message = "" if answer.ok else answer.json()["message"]
    if answer.status_code >= 500:
        raise ConnectionError(message)
    if message:
        raise ValueError(message)
    return answer.json()[0]


def _requests_own(url, number, seconds=2):
    try:
        return predict(url, number, seconds)
    except ConnectionError as error:
        raise requests.ConnectionError(error) from error


def _returns_it(url, number, seconds=2):
    try:
        return predict(url, number, seconds)
    except (ConnectionError, ValueError) as error:
        return error


@task(
    (predict, "Right"),
    (_keywords, "Right"),
    (_above_500, "status is 500, and it raises ValueError"),
    (_coroutine, "write def"),
    (lambda url, number, seconds: requests.post(url, data=number), "takes a text"),
    (_requests_own, "Python's own ConnectionError is meant"),
    (_returns_it, "write raise, not return"),
    (lambda url, *_: predict(url, {"data": 5}), "nothing around it"),
    (lambda url, number, seconds=2: print(end=""), "Is there a return?"),
    (_whole, "take the first"),
    (lambda *_: str(_whole(*_)), "a number, and no text"),
    (lambda *_: 9, "The server's number is 8.9932"),
    (lambda url, number: 9, "raises TypeError"),
    (_first, "raises KeyError: 0"),
    (_raise_for_status, "raises HTTPError"),
    (_says, "does not hold the server's message"),
    (lambda *_: _says(*_, message=None), "status is 503, and it raises ValueError"),
    (lambda *_: _impatient(*_, timeout=None), "1.5 s"),
    (_pythons, "requests.RequestException"),
    (_json_first, "JSONDecodeError"),
    (
        lambda url, number, seconds: number == 5 and predict(url, number, seconds),
        "expected a ValueError",
    ),
)
def task_1(predict: Callable, inference):
    """write predict: it returns a number, or raises what fits"""
    _no_coroutine(predict)
    address = f"{inference}/predictions"
    wanted = requests.post(f"{address}/simple_linear", json=5, timeout=30).json()[0]

    def say(what, url, number=5, seconds=5):
        started = time.monotonic()
        given, says = _tried(predict, url, number, seconds=seconds)
        return given, f"{what}: it {says}.", time.monotonic() - started

    given, says, _ = say("Asked for 5", f"{address}/simple_linear")
    if given is None:
        return f"{says} Is there a return?"
    if isinstance(given, list):
        return f"{says} The answer is a list: take the first of it."
    if isinstance(given, ValueError) and "finite number" in str(given):
        return f"{says} The body is the number alone, with nothing around it."
    if "'body' must be" in says:
        return f"{says} data= takes a text; json= takes the number."
    if _raised(given):
        return says
    if isinstance(given, bool) or not isinstance(given, Real):
        return f"{says} Please return a number, and no text or answer."
    if not same(given, wanted):
        return f"{says} The server's number is {wanted:.4f}."

    wrong = [("the text five", "simple_linear", "five", "expected one finite number")]
    wrong += [("a model that is not there", "nosuch", 5, "Model not found")]
    for what, model, number, message in wrong:
        given, says, _ = say(f"Asked for {what}", f"{address}/{model}", number)
        if type(given) is KeyError:
            return f"{says} The answer is no list: look at its status first."
        if not isinstance(given, ValueError):
            return f"{says} I expected a ValueError with the server's message."
        if message not in str(given):
            return f"{says} That does not hold the server's message, {message!r} …"

    with broken_server() as broken:
        busy, says, _ = say("The status is 503, and", f"{broken}/busy")
        if isinstance(busy, ConnectionError):  # the last of those that are right
            busy, says, _ = say("The status is 500, and", f"{broken}/ill")
        given, page, _ = say("Someone in between says 502, in HTML", f"{broken}/page")
        late, slow, took = say("Too slow", f"{broken}/slow", seconds=0.2)
    own = (
        "Python's own ConnectionError is meant; what requests raises is another: catch "
        "requests.RequestException."
    )
    if isinstance(busy, requests.ConnectionError):
        return f"{says.replace('and: it', 'and it')} {own}"
    if not isinstance(busy, ConnectionError):
        return f"{says.replace('and: it', 'and it')} From 500 on: ConnectionError."
    if not isinstance(given, ConnectionError):
        return f"{page} That is no JSON: look at the status before you read it."
    if took > 1:
        return (
            f"A server was slow, and {told(late)} came after {took:.1f} s: a timeout?"
        )
    [free] = servers.find_free_ports(1)
    dead, nobody, _ = say("Nobody listens", f"http://127.0.0.1:{free}/predictions/x")
    for given, says in ((dead, nobody), (late, slow)):
        if not isinstance(given, ConnectionError):
            return f"{says} {own}"
    return (
        "Right: a number, two refusals in the server's words, and a ConnectionError "
        "for 500, 502, 503, a slow server and none at all."
    )


def _raised(given):
    return isinstance(given, BaseException)


def _no_coroutine(function):
    if inspect.iscoroutinefunction(function):
        raise Hint("An async def gives back a coroutine, and no answer: write def.")


def _tried(function, *arguments, **named):
    """What it returns or raises, and words for that; an error is not to be returned.

    What is named goes by its name where the function has it, otherwise by its place.
    """
    try:
        inspect.signature(function).bind(*arguments, **named)
    except (Exception, SystemExit):
        arguments, named = (*arguments, *named.values()), {}
    try:
        given = function(*arguments, **named)
    except (Exception, SystemExit) as error:
        return error, f"raises {told(error)}"
    if _raised(given):
        raise Hint(f"It returns the error {told(given)}: write raise, not return.")
    return given, f"gives {told(given)}"


# The second and third task change the server: what they did is undone.

MODEL = "simple_linear"


def _ready(management, model):
    """How many workers are READY, and how many there are to be."""
    answer = requests.get(f"{management}/models/{model}", timeout=10)
    if not answer.ok:
        return 0, 0
    [found] = answer.json()
    ready = sum(worker["status"] == "READY" for worker in found["workers"])
    return ready, found["minWorkers"]


def _names(management):
    listed = requests.get(f"{management}/models", timeout=10).json()["models"]
    return {one["modelName"] for one in listed}


def _put(management, model, **settings):
    url = f"{management}/models/{model}"
    answer = requests.put(url, params=settings, timeout=60)
    answer.raise_for_status()


def scale(management, model, workers):
    _put(management, model, min_worker=workers, synchronous="true")


def _in_the_body(management, model, workers):
    settings = {"min_worker": workers, "synchronous": "true"}
    url = f"{management}/models/{model}"
    requests.put(url, data=settings, timeout=60).raise_for_status()


def _soon(management, model, workers):
    scale(management, model, 1)
    raise requests.ReadTimeout("read timeout=0.5")


SCALING = {
    "404 Client": "The path is /models/ and the name.",
    "NameError": "What params= sends is text: min_worker and true, in quotes.",
    "ReadTimeout": "A worker takes seconds to start: give it a longer timeout.",
}


@task(
    (scale, "Right"),
    (_in_the_body, "not in the body"),
    (_coroutine, "write def"),
    (lambda m, model, n: scale(m, model, 2), "the number that it is given"),
    (lambda m, model, n: scale(m, f"x/{model}", n), "The path is /models/"),
    (lambda m, model, n: scale(m, model, true), "in quotes"),  # noqa: F821
    (_soon, "give it a longer timeout"),
    (lambda m, model, n: _put(m, model, min_worker=n), "before that was done"),
    (
        lambda m, model, n: requests.put(
            f"{m}/models/{model}", params={"min_worker": n, "synchronous": "true"}
        ),
        "nothing was raised",
    ),
    (
        lambda m, model, n: requests.post(
            f"{m}/models/{model}", params={"min_worker": n}
        ).raise_for_status(),
        "405 Client Error",
    ),
    (lambda m, model, n: scale(m, "simple_linear", 2), "nothing was raised"),
    (lambda m, model: scale(m, model, 2), "raises TypeError"),
    (lambda m, model, n: _put(m, model, workers=n, synchronous="true"), "is to have"),
)
def task_2(scale: Callable, management):
    """write scale: that many workers are READY when it returns"""
    _no_coroutine(scale)
    before, _ = _ready(management, MODEL)
    try:
        missing = _not_scaled(scale, management, before)
    finally:
        if _ready(management, MODEL) != (before, before):
            _put(management, MODEL, min_worker=before, synchronous="true")
    if missing:
        return missing
    return f"Right: {_other(before)} READY, and {before} again, as before."


def _other(number):
    return 1 if number == 2 else 2


def _not_scaled(scale, management, before):
    """What the learner's function did not do; None if it did all."""
    if not isinstance(outcome(scale, management, "nosuch", 1), Exception):
        return (
            "There is no model nosuch, the server answered 404, and nothing was "
            "raised: answer.raise_for_status() does that, with its brackets."
        )
    for number in (_other(before), before):
        label = f'scale(management, "{MODEL}", {number})'
        try:
            call(label, scale, management, MODEL, number)
        except Hint as raised:
            hints = [hint for error, hint in SCALING.items() if error in str(raised)]
            return " ".join([str(raised), *hints])
        ready, wanted = _ready(management, MODEL)
        says = f"After {label} {ready} workers are READY"
        if ready != number == wanted:
            return f"{says}: it returned before that was done. Look at synchronous."
        if ready != number == before:
            return f"{says}: min_worker is to be the number that it is given."
        if ready != number:
            return (
                f"{says}, and the server says that it is to have {wanted}. min_worker "
                "and synchronous stand in the address, where params= writes them, and "
                "not in the body."
            )
    return None


def _post(management, **settings):
    url = f"{management}/models"
    requests.post(url, params=settings, timeout=60).raise_for_status()


def register(management, archive, name, workers):
    _post(management, url=archive, model_name=name, initial_workers=workers)


@task(
    (register, "Right"),
    (_coroutine, "write def"),
    (lambda m, a, name, n: _post(m, url=a, model_name=name), "initial_workers"),
    (lambda m, a, name, n: _post(m, url=a, name=name, initial_workers=n), "model_name"),
    (lambda m, a, name, n: _post(m, archive=a, model_name=name), "named url"),
    (
        lambda m, a, name, n: _post(
            m, url="simple_linear.mar", model_name="x", initial_workers=0
        ),
        "nothing was raised",
    ),
    (
        lambda m, a, name, n: _post(m, url=a, model_name="mine", initial_workers=n),
        "registered mine, and not twin",
    ),
    (
        lambda m, a, name, n: _post(
            m, url=a, model_name=name, initial_workers=n, synchronous="false"
        ),
        "workers are READY",
    ),
    (
        lambda m, a, name, n: requests.put(f"{m}/models").raise_for_status(),
        "POST and /models",
    ),
    (lambda m, a, name: register(m, a, name, 0), "raises TypeError"),
)
def task_3(register: Callable, management):
    """write register: the model answers when it returns"""
    _no_coroutine(register)
    before = _names(management)
    try:
        missing = _not_registered(register, management, before)
    finally:
        for name in _names(management) - before:
            requests.delete(f"{management}/models/{name}", timeout=30)
    if missing:
        return missing
    return "Right: twin without a worker, then with one READY. It is gone again."


REFUSALS = {
    "400 Client": "It found no archive: params=, and in it the setting named url.",
    "405 Client": "The method is POST and /models is the path, with no name behind.",
    "409 Client": "The archive's own name is taken: yours goes into model_name.",
}


def _not_registered(register, management, before):
    """What the learner's function did not do; None if it did all."""
    if not isinstance(outcome(register, management, "nosuch.mar", "x", 0), Exception):
        return (
            "There is no archive nosuch.mar, and nothing was raised. Does your request "
            "name the archive that it is given, and do you look at its answer?"
        )
    for number in (0, 1):
        label = f'register(management, "simple_linear.mar", "twin", {number})'
        given = outcome(register, management, "simple_linear.mar", "twin", number)
        if _raised(given):
            hints = [hint for status, hint in REFUSALS.items() if status in str(given)]
            return f"{label} raises {told(given)}. {' '.join(hints)}".strip()
        added = _names(management) - before
        if added != {"twin"}:
            names = ", ".join(sorted(added)) or "nothing"
            return f"{label} registered {names}, and not twin."
        ready, _ = _ready(management, "twin")
        if ready != number:
            return (
                f"After {label} {ready} workers are READY, and not {number}. The "
                "setting is initial_workers, and synchronous waits for them."
            )
        requests.delete(f"{management}/models/twin", timeout=30)
    return None


class Scripted:
    """A predict that does what a list says, and remembers how often it was asked."""

    def __init__(self, *results):
        self.results, self.asked = results, 0

    def __call__(self, url, number, seconds=2):
        self.asked += 1
        if self.asked > 10:  # an answer ends every loop
            return "this, to end it"
        result = self.results[min(self.asked, len(self.results)) - 1]
        if isinstance(result, Exception):
            raise result
        return result


def ask_again(predict, url, number, attempts=3, pause=0.1):
    for attempt in range(1, attempts + 1):
        try:
            return predict(url, number)
        except ConnectionError:
            if attempt == attempts:
                raise
            time.sleep(pause)


def _named(predict, url, number, *, attempts=3, pause=0.1):
    return ask_again(predict, url, number, attempts, pause)


def _new_error(predict, url, number, attempts, pause):
    try:
        return ask_again(predict, url, number, attempts, pause)
    except ConnectionError:
        raise ConnectionError("I give up") from None


def _at_once(predict, url, number, attempts, pause):
    return ask_again(predict, url, number, attempts, 0)


def _for_ever(predict, url, number, attempts, pause):
    return ask_again(predict, url, number, 10**6, pause)


def _everything(predict, url, number, attempts, pause):
    for _ in range(attempts):
        try:
            return predict(url, number)
        except Exception as error:
            last = error
            time.sleep(pause)
    raise last


def _gives_up_silently(predict, url, number, attempts, pause):
    for _ in range(attempts):
        try:
            return predict(url, number)
        except ConnectionError:
            time.sleep(pause)


def _forgotten(predict, url, number, attempts, pause):
    for _ in range(attempts):
        try:
            return predict(url, number)
        except ConnectionError as error:  # noqa: F841 (it is what learners write)
            time.sleep(pause)
    raise error  # noqa: F821


def _raise_alone(predict, url, number, attempts, pause):
    given = _gives_up_silently(predict, url, number, attempts, pause)
    if given is None:
        raise
    return given


def _returns_last(predict, url, number, attempts, pause):
    try:
        return ask_again(predict, url, number, attempts, pause)
    except ConnectionError as error:
        return error


def _asks_on(predict, url, number, attempts, pause):
    for _ in range(attempts):
        given = predict(url, number)
    return given


def _refusal_lost(predict, url, number, attempts, pause):
    try:
        return ask_again(predict, url, number, attempts, pause)
    except ValueError as error:
        return str(error)


@task(
    (ask_again, "Right"),
    (_named, "Right"),
    (_coroutine, "write def"),
    (_new_error, "is another error"),
    (lambda predict, url, *_: requests.post(url), "the predict that it is given"),
    (lambda predict, url, number, attempts, pause: predict(url, number), "asked once"),
    (lambda *_: print(end=""), "Is there a return?"),
    (lambda predict, url, number, *_: [predict(url, number)], "gives [8.99]"),
    (_at_once, "without a pause"),
    (_for_ever, "asked 11 times"),
    (_everything, "will be refused again"),
    (_gives_up_silently, "swallowed"),
    (_forgotten, "forgets the error"),
    (_raise_alone, "forgets the error"),
    (_returns_last, "write raise, not return"),
    (_asks_on, "An answer ends it"),
    (_refusal_lost, "A ValueError goes on to the caller"),
    (lambda *_: ask_again(*_[:3], 4, 0.05), "asked 4 times"),
)
def task_4(ask_again: Callable):
    """write ask_again: it asks again where that can help, and not for ever"""
    _no_coroutine(ask_again)
    url = "http://127.0.0.1:9/predictions/m"
    down = ConnectionError("no worker")

    def run(*results, attempts=3):
        fake = Scripted(*results)
        started = time.monotonic()
        given, told_it = _tried(ask_again, fake, url, 5, attempts=attempts, pause=0.05)
        asked = "once" if fake.asked == 1 else f"{fake.asked} times"
        return (
            given,
            f"it asked {asked} and {told_it}",
            fake,
            time.monotonic() - started,
        )

    given, says, fake, _ = run(8.99)
    if given is None:
        return "The server is well, and it gives None. Is there a return?"
    if isinstance(given, OSError) and not fake.asked:
        return f"The server is well: {says}. Call the predict that it is given."
    if not same(given, 8.99):
        return f"The server is well: {says}, and not 8.99."
    if fake.asked > 1:
        return f"The server is well: {says}. An answer ends it."
    given, says, fake, took = run(down, down, 8.99)
    if not same(given, 8.99):
        return f"Two failures and then an answer, three attempts: {says}."
    if took < 0.09:
        return "It asked again without a pause: that helps no server to its feet."
    given, says, fake, _ = run(down)
    if fake.asked != 3:
        return f"It never answers, three attempts: {says}."
    if type(given) is UnboundLocalError or "No active exception" in says:
        return (
            f"It never answers: {says}. After its except block Python forgets the "
            "error and its name: raise it inside, or keep it under another name."
        )
    if not isinstance(given, ConnectionError):
        return f"It never answers: {says}. The last failure is swallowed."
    if str(down) not in str(given):
        return f"It never answers: {says}. That is another error than the last one."
    given, says, fake, _ = run(ValueError("expected one finite number"), 8.99)
    if fake.asked == 1 and not isinstance(given, ValueError):
        return f"The request is refused: {says}. A ValueError goes on to the caller."
    if fake.asked != 1:
        return f"The request is refused: {says}. What is wrong will be refused again."
    return "Right: an answer at the third attempt, no fourth, and no second for a 400."
