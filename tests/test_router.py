"""The router of lesson 09: what that lesson does not show of its parts and its app."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
import requests
import torch
from course import servers, versions
from course.lesson import wait_until
from flask import Flask, request
from werkzeug.serving import make_server

from handlers import router
from handlers.router import Answer, complaint, gets_candidate, problem

KEYS = [f"client-{n}" for n in range(10_000)]
PREDICT = "/predictions/simple_linear"


def ok(body):
    return Answer(200, body)


STABLE = ok(b"[8.9932]")
GOOD = ok(b"[9.0]")  # differs, and is near enough
WRONG = ok(b"[7.0]")
FAILED = Answer(503, b'{"code": 503}')
REFUSED = Answer(400, b'{"code": 400}')
NO_ANSWER = problem(504, "", "")


def environ(**changed):
    return {f"ROUTER_{name.upper()}": str(text) for name, text in changed.items()}


class AtOnce:
    """A mirror that has done a job when offer() returns."""

    accepted = dropped = done = failed = 0

    def offer(self, job):
        self.accepted += 1
        job()


def router_of(ask, **changed):
    """A router whose versions answer what ask(version, body, headers) returns."""
    return router.Router(router.read_settings(environ(**changed)), ask, AtOnce())


def always(candidate):
    """Versions that answer the same to everything, the stable one as it should."""
    return lambda version, *_: STABLE if version == "1.0" else candidate


def versions_of(tested, keys=KEYS[:300]):
    """The versions that these clients get, one after the other."""
    return [tested.answer(key, b"5", {})[0] for key in keys]


def chosen(share, candidate="2.0"):
    return {key for key in KEYS if gets_candidate(key, candidate, share)}


@pytest.mark.parametrize("share", [0, 1, 20, 90, 100])
def test_the_share_is_kept(share):
    """Within four standard deviations of n keys that each come in with this chance."""
    chance, n = share / 100, len(KEYS)
    allowed = 4 * (n * chance * (1 - chance)) ** 0.5
    assert abs(len(chosen(share)) - n * chance) <= allowed


def test_another_candidate_meets_other_clients():
    """Two shares of 20 percent have 4 percent of the clients in common, not 20."""
    assert 300 < len(chosen(20, "2.0") & chosen(20, "3.0")) < 500


def test_without_a_key_the_stable_version_answers():
    assert not gets_candidate(None, "2.0", 100) and not gets_candidate("", "2.0", 100)


def test_no_request_is_lost_from_the_count():
    """Eight threads count, and each lets the others in between reading and writing."""

    class Interrupted(Counter):
        def __getitem__(self, key):
            return super().__getitem__(key) + (time.sleep(0) or 0)

    tested = router_of(always(GOOD), mode="ab", share=50)
    tested._served = Interrupted(tested._served)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: tested.answer(key, b"5", {}), KEYS[:1000]))
    assert sum(tested._served.values()) == 1000


def test_a_job_that_fails_does_not_end_the_mirror(caplog):
    """Without the mirror a bad canary would never be taken back."""
    mirror = router.Mirror(3)
    for job in (lambda: 1 / 0, lambda: None):
        mirror.offer(job)
    wait_until(lambda: mirror.done == 2)
    assert mirror.failed == 1 and "ZeroDivisionError" in caplog.text


BAD = [(FAILED, "errors"), (NO_ANSWER, "errors")]
BAD += [(WRONG, "other answers"), (REFUSED, "other statuses")]


@pytest.mark.parametrize(("candidate", "kind"), BAD)
def test_a_bad_canary_is_taken_back_for_good(candidate, kind):
    answers = {"1.0": STABLE, "2.0": candidate}
    tested = router_of(lambda version, *_: answers[version], share=20)
    assert versions_of(tested).count("2.0") == 6
    answers["2.0"] = STABLE  # too late
    assert set(versions_of(tested)) == {"1.0"}
    assert tested.share == 0
    assert tested.watch.reason == f"6 {kind} in the last 6 compared"


@pytest.mark.parametrize(("every", "compared"), [(4, 21), (9, 46), (10, None)])
def test_a_canary_may_fail_five_times_in_fifty(every, compared):
    failing = iter(range(10**6))

    def ask(version, body, headers):
        return FAILED if version == "2.0" and next(failing) % every == 0 else GOOD

    tested = router_of(ask, share=50)
    versions_of(tested)
    reason = compared and f"6 errors in the last {compared} compared"
    assert (tested.watch.reason, tested.share) == (reason, 0 if reason else 50)


def test_all_of_a_shadow_is_compared_and_none_of_it_served():
    tested = router_of(always(GOOD), mode="shadow", share=100)
    assert set(versions_of(tested)) == {"1.0"}
    assert (tested.mirror.accepted, tested.share) == (300, 0)


def test_only_what_a_canary_answers_is_compared_and_nothing_of_an_ab_test():
    for mode, compared in (("canary", True), ("ab", False)):
        tested = router_of(always(GOOD if compared else FAILED), mode=mode, share=50)
        tried = versions_of(tested).count("2.0")
        assert tried > 100
        assert tested.mirror.accepted == tried * compared
        assert (tested.share, tested.watch.reason) == (50, None)


@pytest.mark.parametrize("mode", ["canary", "shadow"])
@pytest.mark.parametrize("code", [502, 504])
def test_a_stall_of_torchserve_that_is_over_is_not_the_candidates_fault(mode, code):
    """The candidate was asked in the stall, the stable version before or after it."""
    stalled = set()

    def ask(version, body, headers):
        if version == "1.0" or body in stalled:
            return STABLE
        stalled.add(body)
        return problem(code, "", "")

    tested = router_of(ask, mode=mode, share=50)
    for n, key in enumerate(KEYS[:100]):
        tested.answer(key, b"%d" % n, {})
    assert len(stalled) > 30 and tested.watch.reason is None


def test_a_watch_names_all_kinds_and_keeps_its_first_reason():
    watch = router.Watch(window=50, max_bad=5)
    for found in ["errors"] * 5 + [None] * 44 + ["other answers"] * 60:
        watch.note(found)
    assert watch.reason == "5 errors, 1 other answers in the last 50 compared"


def test_which_statuses_are_worse():
    assert complaint(STABLE, FAILED) == complaint(REFUSED, FAILED) == "errors"
    assert complaint(STABLE, REFUSED) == "other statuses"
    assert complaint(REFUSED, STABLE) == "other statuses"
    assert complaint(REFUSED, Answer(400, b"in other words")) is None
    for down in (FAILED, NO_ANSWER):  # TorchServe itself
        assert complaint(down, down) is complaint(down, WRONG) is None


NEAR = ["[100] [105]", "[0] [0.05]", '{"a":1} {"a":1}']
FAR = ["[100] [106]", "[0] [-0.06]", "[1,2] [1]", "[1,2] [1,3]", "[1] [NaN]"]
FAR += ['[1] ["1"]', "[1] 1", '{"a":1} {"a":2}', "\xff \xfe"]
FAR += ["[1] [1" + "0" * 400 + "]", "[1] " + "[" * 100_000]


def test_which_answers_are_worse():
    found = {
        pair: complaint(*[ok(text.encode("latin-1")) for text in pair.split()])
        for pair in NEAR + FAR
    }
    assert found == {**dict.fromkeys(NEAR), **dict.fromkeys(FAR, "other answers")}


# The bad versions of lesson 09, and its list of them.


def test_the_failing_handler_fails_for_0_and_below_alone():
    made = {}
    exec(versions.failing(versions.HANDLER.read_text(encoding="utf-8")), made)
    handler = made["SimpleLinearHandler"]()
    handler.model = torch.nn.Identity()
    assert handler.inference(torch.tensor([[5.0], [0.1]])).tolist()[0] == [5]
    for bad in (0.0, -1.0):
        with pytest.raises(ValueError, match="math domain|positive"):
            handler.inference(torch.tensor([[bad]]))


def test_versions_are_listed_when_they_are_ready(torchserve, capsys):
    versions.show(f"{torchserve.management}/models")
    assert capsys.readouterr().out == "1.0  simple_linear.mar  default\n"


# The settings, at the start and later.

WRONG_SETTINGS = {
    "ROUTER_TORCHSERVE": ["", "127.0.0.1:1", "ftp://a", "http://a/b", "http://a:1\n"],
    "ROUTER_MODEL": ["", "a/b"],
    "ROUTER_CANDIDATE": ["", "..", "a/b", "a?b", "-a"],
    "ROUTER_STABLE": ["2.0"],  # the candidate's
    "ROUTER_MODE": ["", "AB", "blue"],
    "ROUTER_SHARE": ["", "-1", "101", "1e1", "nan", "10%", "٣"],
    "ROUTER_TIMEOUT": ["", "0", "-1", "100", "inf"],
    "ROUTER_SHAER": ["10"],
}


EACH = [(name, text) for name, texts in WRONG_SETTINGS.items() for text in texts]


@pytest.mark.parametrize(("name", "text"), EACH)
def test_a_wrong_setting_ends_the_start_and_changes_nothing_later(name, text):
    with pytest.raises(SystemExit, match=f"^router: .*{name}.*") as ended:
        router.create_app({name: text})
    assert "\n" not in str(ended.value)
    client = router.create_app({}).test_client()
    before = client.get("/status").json
    got = client.put("/settings", data={name.removeprefix("ROUTER_").lower(): text})
    assert got.status_code == 400 and name in got.json["message"]
    assert client.get("/status").json == before


def test_what_does_not_change_a_running_router():
    client = router.create_app({}).test_client()
    elsewhere = {"environ_overrides": {"REMOTE_ADDR": "10.1.2.3"}}
    for code, says, sent in (
        (400, "ROUTER_TIMEOUT is for the start alone", {"data": {"timeout": "20"}}),
        (400, "expected a form", {"json": {"share": "20"}}),
        (403, "own machine", {"data": {"share": "20"}, **elsewhere}),
    ):
        got = client.put("/settings", **sent)
        assert got.status_code == code and says in got.json["message"]
        assert client.get("/status").json["share"] == 10


def test_a_larger_share_keeps_the_watch_and_another_pair_gets_its_own():
    tested = router_of(always(FAILED), share=20)
    few = [key for key in KEYS if gets_candidate(key, "2.0", 20)]
    versions_of(tested, few[:5])
    tested = tested.changed(environ(share=100))
    assert (tested.share, tested.watch.reason) == (100, None)
    versions_of(tested, KEYS[:9])
    assert tested.watch.reason == "6 errors in the last 6 compared"
    assert tested.changed(environ(share=50)).share == 0
    assert tested.changed(environ(candidate="3.0")).share == 100
    assert tested.changed(environ(stable="2.0", candidate="1.0")).share == 100


# The app, in front of a server that is not TorchServe.


@contextmanager
def serving(app):
    """The address of a server with this app."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def upstream():
    """A server that says what it was asked; it holds answers back until told."""
    app = Flask("upstream")
    go_on = threading.Event()

    @app.post("/predictions/<model>/<version>")
    def predict(model, version):
        body = request.get_data(as_text=True)
        if body == "wait":
            go_on.wait(30)
        told = {"path": request.path, "body": body, "headers": dict(request.headers)}
        return told, 200, {"X-Other": "x"}

    with serving(app) as address:
        yield address
        go_on.set()


def client_of(address, **changed):
    app = router.create_app(environ(torchserve=address, **changed))
    return app.test_client(use_cookies=False)  # with, it drops the header Cookie


def test_a_request_is_passed_on_with_the_headers_that_count(upstream):
    client = client_of(upstream, model="m", mode="ab", share=100)
    form = "application/x-www-form-urlencoded"
    headers = {"X-Client-Id": "../a", "Authorization": "Bearer b", "Cookie": "c=d"}
    got = client.post("/predictions/m", data="5", headers=headers, content_type=form)
    assert (got.status_code, got.mimetype) == (200, "application/json")
    assert (got.json["path"], got.json["body"]) == ("/predictions/m/2.0", "5")
    asked = got.json["headers"]
    assert (asked["Authorization"], asked["Content-Type"]) == ("Bearer b", form)
    assert not {"Cookie", "X-Client-Id"} & asked.keys()
    assert got.headers["X-Model-Version"] == "2.0" and "X-Other" not in got.headers


def test_errors_of_the_router_are_json(upstream):
    nobody = f"http://127.0.0.1:{servers.find_free_ports(1)[0]}"
    for address, method, path, body, code in (
        (upstream, "POST", PREDICT, "wait", 504),
        (nobody, "POST", PREDICT, "", 502),
        (upstream, "POST", f"{PREDICT}/1.0", "", 404),
        (upstream, "GET", PREDICT, "", 405),
    ):
        got = client_of(address, timeout=1).open(path, method=method, data=body)
        assert (got.status_code, got.json["code"]) == (code, code)
        assert ("Allow" in got.headers) == (code == 405)


def test_a_running_router_is_told_a_share_but_not_for_a_bad_candidate(upstream):
    """The answers of upstream name the version, so no two are the same."""
    client = client_of(upstream, share=0)
    for share, version in (("0", "1.0"), ("100", "2.0")):
        client.put("/settings", data={"share": share})
        for _ in range(6):
            got = client.post(PREDICT, headers={"X-Client-Id": "a"})
            assert got.headers["X-Model-Version"] == version
    wait_until(lambda: client.get("/status").json["reason"])
    got = client.put("/settings", data={"share": "50"})
    assert got.status_code == 409
    assert "2.0 was taken back: 6 other answers in the last 6" in got.json["message"]
    assert client.put("/settings", data={"candidate": "3.0"}).json["share"] == 100


def test_a_body_that_is_too_large_is_a_413_with_a_length_and_without(upstream):
    most = router.MAX_BYTES
    with serving(router.create_app({"ROUTER_TORCHSERVE": upstream})) as address:
        address += PREDICT
        fits = requests.post(address, data=b"x" * (most - 1), timeout=30)
        assert len(fits.json()["body"]) == most - 1
        for data in (b"x" * (most + 1), iter([b"x" * most] * 2)):
            got = requests.post(address, data=data, timeout=30)
            assert (got.status_code, got.json()["code"]) == (413, 413)
    length = {"CONTENT_LENGTH": str(10**10)}  # ten gigabytes, and none of them is sent
    got = client_of(upstream).post(PREDICT, environ_overrides=length)
    assert got.status_code == 413


# On the real TorchServe.


def test_the_router_changes_no_answer_of_torchserve(torchserve):
    """Its model has no version 9.0, so a canary of that number is taken back."""
    client = client_of(torchserve.inference, candidate="9.0", share=50)
    text = {"Content-Type": "text/plain"}
    for n, key in enumerate(KEYS[:40]):
        body = ("5", "-1", "five", "")[n % 4]
        got = client.post(PREDICT, data=body, headers={"X-Client-Id": key, **text})
        address = f"{torchserve.inference}{PREDICT}/{got.headers['X-Model-Version']}"
        asked = requests.post(address, data=body, headers=text, timeout=30)
        assert (got.status_code, got.data) == (asked.status_code, asked.content)
        assert got.content_type == asked.headers["Content-Type"]
    reason = wait_until(lambda: client.get("/status").json["reason"])
    assert reason.startswith("6 other statuses in the last 6")


@pytest.mark.slow
def test_what_waits_for_a_version_is_lost_when_that_is_unregistered(torchserve):
    """Why lesson 09 lets an old version finish before it unregisters it."""
    models = f"{torchserve.management}/models"
    query = {"url": "simple_linear.mar", "model_name": "hangs", "initial_workers": 1}
    requests.post(models, params=query, timeout=60).raise_for_status()

    def described():
        return requests.get(f"{models}/hangs", timeout=30).json()[0]

    def ask(_):
        address = f"{torchserve.inference}/predictions/hangs"
        try:
            return requests.post(address, json=5, timeout=5).status_code
        except requests.ReadTimeout:
            return "no answer"

    psutil.Process(described()["workers"][0]["pid"]).suspend()
    with ThreadPoolExecutor(3) as pool:
        asked = pool.map(ask, range(3))
        wait_until(lambda: described()["jobQueueStatus"]["pendingRequests"] == 2)
        assert requests.delete(f"{models}/hangs", timeout=30).status_code == 200
        answers = sorted(asked, key=str)
    # One was in the worker's hands: it may hear that its worker died.
    assert answers in ([500, "no answer", "no answer"], ["no answer"] * 3)
