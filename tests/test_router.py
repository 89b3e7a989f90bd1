"""The router of lesson 09: its parts, its app, and a canary on the real TorchServe."""

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product

import psutil
import pytest
import requests
from conftest import ROOT
from course import lesson, servers
from flask import Flask, request
from werkzeug.serving import make_server

from handlers import router
from handlers.router import Answer, complaint, gets_candidate
from models.train import save, train

KEYS = [f"client-{n}" for n in range(10_000)]
STABLE = Answer(200, b"[8.9932]")
GOOD = Answer(200, b"[9.0]")  # differs, and is near enough
WRONG = Answer(200, b"[7.0]")
FAILED = Answer(503, b'{"code": 503}')
REFUSED = Answer(400, b'{"code": 400}')


def settings(**changed):
    """Valid settings; those named without ROUTER_ are changed."""
    environ = {f"ROUTER_{name.upper()}": str(text) for name, text in changed.items()}
    return router.read_settings(environ)


def router_of(ask, **changed):
    """A router whose versions answer what ask(version, body, headers) returns."""
    return router.Router(settings(**changed), ask)


def always(candidate, stable=STABLE):
    """Versions that answer the same to everything."""
    return lambda version, body, headers: stable if version == "1.0" else candidate


def wait_until(true, timeout=30):
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def ask_in_turn(tested, keys=KEYS[:1000]):
    """The versions that these clients get, each after the one before is compared."""
    versions = []
    for key in keys:
        versions.append(tested.answer(key, b"5", {})[0])
        wait_until(lambda: tested.mirror.done == tested.mirror.accepted)
    return versions


# The split.


def chosen(share, candidate="2.0"):
    return {key for key in KEYS if gets_candidate(key, candidate, share)}


@pytest.mark.parametrize("share", [1, 10, 20, 50, 90])
def test_the_share_is_kept(share):
    """Within four standard deviations of n keys that each come in with this chance."""
    chance, n = share / 100, len(KEYS)
    allowed = 4 * (n * chance * (1 - chance)) ** 0.5
    assert abs(len(chosen(share)) - n * chance) < allowed


def test_nobody_and_everybody():
    assert chosen(0) == set()
    assert chosen(100) == set(KEYS)


def test_a_client_keeps_its_version_also_after_a_restart():
    """These are the same in every process, so a restart deals no client anew."""
    first = [n for n in range(30) if gets_candidate(f"client-{n}", "2.0", 20)]
    assert first == [0, 16, 19, 22, 24]


def test_a_larger_share_only_adds_clients():
    shares = [0, 1, 5, 20, 21, 50, 99, 100]
    for smaller, larger in zip(shares, shares[1:], strict=False):
        assert chosen(smaller) < chosen(larger)


def test_another_candidate_meets_other_clients():
    """Two shares of 20 percent have 4 percent of the clients in common, not 20."""
    both = chosen(20, "2.0") & chosen(20, "3.0")
    assert 300 < len(both) < 500


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_the_stable_version_answers(key):
    assert not gets_candidate(key, "2.0", 100)


@pytest.mark.parametrize("mode", ["ab", "canary"])
def test_the_router_splits_as_the_function_says(mode):
    tested = router_of(always(GOOD), mode=mode, share=20)
    versions = ask_in_turn(tested)
    wanted = ["2.0" if gets_candidate(key, "2.0", 20) else "1.0" for key in KEYS[:1000]]
    assert versions == wanted
    assert tested.status()["served"] == Counter(wanted)


def test_no_request_is_lost_from_the_count():
    """Eight threads count, and each lets the others in between reading and writing."""

    class Interrupted(Counter):
        def __getitem__(self, key):
            value = super().__getitem__(key)
            time.sleep(0)
            return value

    tested = router_of(always(GOOD), mode="ab", share=50)
    tested._served = Interrupted(tested._served)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: tested.answer(key, b"5", {}), KEYS[:1000]))
    assert sum(tested.status()["served"].values()) == 1000


# The mirror.


def test_a_mirror_drops_what_it_has_no_room_for_and_counts_it():
    hang, taken = threading.Event(), threading.Event()
    done = []
    mirror = router.Mirror(3)
    mirror.offer(lambda: (taken.set(), hang.wait(30)))
    assert taken.wait(30)
    for n in range(10):
        mirror.offer(lambda n=n: done.append(n))
    assert (mirror.accepted, mirror.dropped, mirror.done) == (4, 7, 0)
    hang.set()
    wait_until(lambda: mirror.done == 4)
    assert done == [0, 1, 2]
    mirror.offer(lambda: done.append("again"))
    wait_until(lambda: done[-1] == "again")
    assert mirror.dropped == 7


def test_a_job_that_fails_does_not_end_the_mirror(caplog):
    """Without the mirror a bad canary would never be taken back."""
    mirror = router.Mirror(3)
    for job in (lambda: 1 / 0, lambda: None):
        mirror.offer(job)
    wait_until(lambda: mirror.done == 2, timeout=5)
    assert mirror.failed == 1
    assert "ZeroDivisionError" in caplog.text


def test_users_do_not_wait_for_a_shadow_that_hangs():
    """It hangs until all users have their answers: a router that waits never ends."""
    answered = threading.Event()
    waited = []

    def ask(version, body, headers):
        if version == "2.0":
            waited.append(not answered.wait(30))
            return GOOD
        return STABLE

    tested = router_of(ask, mode="shadow")
    most = router.MOST_WAITING
    for key in KEYS[: most + 50]:
        assert tested.answer(key, b"5", {}) == ("1.0", STABLE)
    mirror = tested.mirror
    # One more than wait if its thread had taken the first before the queue was full.
    assert mirror.accepted in (most, most + 1)
    assert mirror.accepted + mirror.dropped == most + 50
    answered.set()
    wait_until(lambda: mirror.done == mirror.accepted)
    assert waited and not any(waited)
    assert tested.watch.reason is None


@pytest.mark.parametrize(
    "shadow", [FAILED, WRONG, REFUSED, router.problem(504, "", "")]
)
def test_users_never_see_the_shadow(shadow):
    tested = router_of(always(shadow), mode="shadow", share=100)
    assert set(ask_in_turn(tested, KEYS[:100])) == {"1.0"}
    assert tested.status()["served"] == {"1.0": 100, "2.0": 0}
    assert tested.mirror.done == 100
    assert tested.watch.reason


def test_an_ab_split_mirrors_nothing_and_takes_nothing_back():
    tested = router_of(always(FAILED), mode="ab", share=50)
    ask_in_turn(tested)
    assert tested.mirror.accepted == 0
    assert tested.share == 50


# The canary.


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (FAILED, "6 errors in the last 6 compared"),
        (WRONG, "6 other answers in the last 6 compared"),
        (REFUSED, "6 other statuses in the last 6 compared"),
    ],
)
def test_a_bad_canary_is_taken_back_for_good(candidate, reason):
    versions_answer = {"1.0": STABLE, "2.0": candidate}
    tested = router_of(
        lambda version, body, headers: versions_answer[version], share=20
    )
    versions = ask_in_turn(tested)
    assert versions.count("2.0") == router.MOST_BAD + 1
    assert tested.status()["share"] == 0
    assert tested.status()["reason"] == reason

    versions_answer["2.0"] = STABLE  # too late
    assert set(ask_in_turn(tested)) == {"1.0"}
    assert tested.status()["reason"] == reason


def test_a_good_canary_keeps_its_share():
    tested = router_of(always(GOOD), share=20)
    versions = ask_in_turn(tested)
    assert versions.count("2.0") > 150
    assert tested.mirror.done == versions.count("2.0"), "only these are compared"
    assert tested.status()["share"] == 20
    assert tested.status()["reason"] is None


def test_a_canary_that_fails_for_some_requests_is_taken_back():
    failing = iter(range(10**6))

    def ask(version, body, headers):
        return FAILED if version == "2.0" and next(failing) % 4 == 0 else GOOD

    tested = router_of(ask, share=20)
    ask_in_turn(tested)
    assert tested.status()["reason"] == "6 errors in the last 21 compared"
    assert tested.share == 0


@pytest.mark.parametrize("failure", [FAILED, router.problem(502, "", "")])
def test_no_canary_is_taken_back_because_torchserve_is_down(failure):
    tested = router_of(always(failure, stable=failure), share=50)
    ask_in_turn(tested)
    assert tested.share == 50


@pytest.mark.parametrize("mode", ["canary", "shadow"])
@pytest.mark.parametrize("gone", [502, 504])
def test_a_stall_of_torchserve_that_is_over_is_not_the_candidates_fault(mode, gone):
    """The candidate was asked in the stall, the stable version before or after it."""
    asked = Counter()

    def ask(version, body, headers):
        asked[version, body] += 1
        stalled = version == "2.0" and asked[version, body] == 1
        return router.problem(gone, "", "") if stalled else STABLE

    tested = router_of(ask, mode=mode, share=50)
    for n, key in enumerate(KEYS[:100]):
        tested.answer(key, b"%d" % n, {})
    wait_until(lambda: tested.mirror.done == tested.mirror.accepted)
    assert asked["2.0", b"0"] or mode == "canary"
    assert tested.watch.reason is None


@pytest.mark.parametrize("mode", ["canary", "shadow"])
def test_a_candidate_that_hangs_is_taken_back(mode):
    tested = router_of(always(router.problem(504, "", "")), mode=mode, share=50)
    ask_in_turn(tested, KEYS[:100])
    assert tested.watch.reason == "6 errors in the last 6 compared"


def test_a_watch_takes_so_many_bad_answers_and_no_more():
    watch = router.Watch(window=50, most_bad=5)
    for found in ["errors"] * 5 + [None] * 44:
        watch.note(found)
    assert watch.reason is None
    watch.note("other answers")
    assert watch.reason == "5 errors, 1 other answers in the last 50 compared"


def test_a_watch_keeps_its_first_reason():
    watch = router.Watch(window=10, most_bad=1)
    for found in ["errors"] * 2 + [None] * 20 + ["other answers"] * 9:
        watch.note(found)
    assert watch.reason == "2 errors in the last 2 compared"


def test_a_watch_forgets_what_has_left_its_window():
    watch = router.Watch(window=50, most_bad=5)
    for found in (["errors"] + [None] * 9) * 20:  # always 5 in 50
        watch.note(found)
    assert watch.reason is None


def test_the_canary_is_judged_as_the_lesson_says():
    assert (router.WINDOW, router.MOST_BAD, router.TOLERANCE) == (50, 5, 0.05)


@pytest.mark.parametrize(
    ("stable", "candidate", "found"),
    [
        (STABLE, STABLE, None),
        (STABLE, GOOD, None),
        (STABLE, WRONG, "other answers"),
        (STABLE, FAILED, "errors"),
        (STABLE, REFUSED, "other statuses"),
        (REFUSED, REFUSED, None),
        (REFUSED, Answer(400, b"in other words"), None),
        (REFUSED, STABLE, "other statuses"),
        (REFUSED, FAILED, "errors"),
        (FAILED, FAILED, None),
        (FAILED, WRONG, None),
        (Answer(200, b"[100]"), Answer(200, b"[105]"), None),
        (Answer(200, b"[100]"), Answer(200, b"[106]"), "other answers"),
        (Answer(200, b"[0]"), Answer(200, b"[0.05]"), None),
        (Answer(200, b"[0]"), Answer(200, b"[-0.06]"), "other answers"),
        (Answer(200, b"[1, 2]"), Answer(200, b"[1]"), "other answers"),
        (Answer(200, b"[1, 2]"), Answer(200, b"[1, 3]"), "other answers"),
        (Answer(200, b"[1]"), Answer(200, b"[NaN]"), "other answers"),
        (Answer(200, b"[1]"), Answer(200, b"[1" + b"0" * 400 + b"]"), "other answers"),
        (Answer(200, b"[1]"), Answer(200, b"[" * 100_000), "other answers"),
        (Answer(200, b"[1]"), Answer(200, b'["1"]'), "other answers"),
        (Answer(200, b"[1]"), Answer(200, b"1"), "other answers"),
        (Answer(200, b'{"a": 1}'), Answer(200, b'{"a": 1}'), None),
        (Answer(200, b'{"a": 1}'), Answer(200, b'{"a": 2}'), "other answers"),
        (Answer(200, b"\xff"), Answer(200, b"\xfe"), "other answers"),
    ],
)
def test_what_counts_as_worse(stable, candidate, found):
    assert complaint(stable, candidate) == found


# The settings.


def test_the_defaults_are_allowed():
    assert settings() == {name: row[0] for name, row in router.SETTINGS.items()}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *product(
            ["ROUTER_TORCHSERVE"],
            [
                "",
                "127.0.0.1:8080",
                "ftp://a",
                "http://a/b",
                "http://a:1\n",
                "http://a:x",
            ],
        ),
        ("ROUTER_TORCHSERVE", "http://127.0.0.1:99999"),
        *product(["ROUTER_MODEL", "ROUTER_CANDIDATE"], ["", "..", "a/b", "a?b", "-a"]),
        ("ROUTER_STABLE", "2.0"),  # the candidate's
        *product(["ROUTER_MODE"], ["", "AB", "blue"]),
        *product(["ROUTER_SHARE"], ["", "-1", "101", "1e1", "nan", "10%", "٣"]),
        *product(["ROUTER_TIMEOUT"], ["", "0", "-1", "100", "inf"]),
        ("ROUTER_SHAER", "10"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_one_line(name, text):
    with pytest.raises(SystemExit) as ended:
        router.create_app({name: text})
    line = str(ended.value)
    assert line.startswith("router: ") and "\n" not in line
    assert name in line or "99999" in line


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
    app.go_on = threading.Event()

    @app.post("/predictions/<model>/<version>")
    def predict(model, version):
        body = request.get_data(as_text=True)
        if body == "wait":
            app.go_on.wait(30)
        told = {"path": request.path, "body": body, "headers": dict(request.headers)}
        return told, 418 if body == "teapot" else 200, {"X-Other": "x"}

    with serving(app) as address:
        yield address
        app.go_on.set()


def client_of(address, **changed):
    environ = {f"ROUTER_{name.upper()}": str(text) for name, text in changed.items()}
    return router.create_app({"ROUTER_TORCHSERVE": address, **environ}).test_client()


def test_a_request_is_passed_on_with_the_headers_that_count(upstream):
    client = client_of(upstream, model="m", mode="ab", share=100)
    headers = {"X-Client-Id": "a", "Authorization": "Bearer b", "Cookie": "c=d"}
    got = client.post("/predictions/m", data="5", headers=headers, content_type="x/y")
    assert (got.status_code, got.mimetype) == (200, "application/json")
    assert got.json["path"] == "/predictions/m/2.0"
    assert got.json["body"] == "5"
    asked = got.json["headers"]
    assert (asked["Authorization"], asked["Content-Type"]) == ("Bearer b", "x/y")
    assert "Cookie" not in asked and "X-Client-Id" not in asked
    assert got.headers["X-Model-Version"] == "2.0"
    assert "X-Other" not in got.headers


@pytest.mark.parametrize("body", ["data=5", ""])
def test_a_form_and_nothing_are_passed_on_as_they_are(upstream, body):
    form = "application/x-www-form-urlencoded"
    got = client_of(upstream).post(
        "/predictions/simple_linear", data=body, content_type=form
    )
    assert got.json["body"] == body


def test_the_status_of_an_answer_is_kept(upstream):
    got = client_of(upstream).post("/predictions/simple_linear", data="teapot")
    assert got.status_code == 418
    assert got.json["body"] == "teapot"


def test_no_answer_in_time_is_a_504(upstream):
    client = client_of(upstream, timeout=1)
    got = client.post("/predictions/simple_linear", data="wait")
    assert (got.status_code, got.json["code"]) == (504, 504)
    assert got.mimetype == "application/json"


def test_no_server_is_a_502():
    [port] = servers.find_free_ports(1)
    client = client_of(f"http://127.0.0.1:{port}")
    for _ in range(3):
        got = client.post("/predictions/simple_linear", data="5")
        assert (got.status_code, got.json["code"]) == (502, 502)
        assert got.mimetype == "application/json"


def test_a_body_that_is_too_large_is_a_413_with_a_length_and_without(upstream):
    app = router.create_app({"ROUTER_TORCHSERVE": upstream})
    most = router.MOST_BYTES
    with serving(app) as address:
        address += "/predictions/simple_linear"
        fits = requests.post(address, data=b"x" * (most - 1), timeout=30)
        assert len(fits.json()["body"]) == most - 1
        for data in (b"x" * (most + 1), iter([b"x" * most] * 2)):
            got = requests.post(address, data=data, timeout=30)
            assert (got.status_code, got.json()["code"]) == (413, 413)


def test_a_body_that_says_it_is_too_large_is_not_read(upstream):
    """Ten gigabytes are announced, and none of them is sent."""
    got = client_of(upstream).post(
        "/predictions/simple_linear", environ_overrides={"CONTENT_LENGTH": str(10**10)}
    )
    assert (got.status_code, got.json["code"]) == (413, 413)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/", 404),
        ("POST", "/predictions/other", 404),
        ("POST", "/predictions/simple_linear/1.0", 404),
        ("GET", "/predictions/simple_linear", 405),
        ("POST", "/status", 405),
    ],
)
def test_errors_of_the_router_are_json(upstream, method, path, code):
    got = client_of(upstream).open(path, method=method)
    assert (got.status_code, got.json["code"]) == (code, code)
    assert ("Allow" in got.headers) == (code == 405)


def test_a_key_does_not_lead_out_of_the_path(upstream):
    headers = {"X-Client-Id": "../../models"}
    got = client_of(upstream, mode="ab", share=100).post(
        "/predictions/simple_linear", data="5", headers=headers
    )
    assert got.json["path"] == "/predictions/simple_linear/2.0"


# On the real TorchServe.


@pytest.fixture(scope="module")
def two_versions(torchserve, tmp_path_factory):
    """The model `routed`: 1.0 as lesson 04 has it, and 2.0 with too little training."""
    weights = tmp_path_factory.mktemp("router") / "2.0.pth"
    save(train(steps=10)[0], weights)
    lesson.run(
        "torch-model-archiver --model-name tests_router --version 2.0 "
        f"--model-file models/linear.py --serialized-file {weights.as_posix()} "
        "--handler handlers/model_handler.py --export-path model_store --force"
    )
    models = f"{torchserve.management}/models"

    def register(archive):
        query = {"url": archive, "model_name": "routed", "initial_workers": 1}
        requests.post(models, params=query, timeout=60).raise_for_status()

    try:
        for archive in ("simple_linear.mar", "tests_router.mar"):
            register(archive)
        yield torchserve.inference
    finally:
        for version in ("2.0", "1.0"):
            requests.delete(f"{models}/routed/{version}", timeout=60)
        (ROOT / "model_store" / "tests_router.mar").unlink()


def test_the_router_changes_no_answer_of_torchserve(two_versions):
    client = client_of(two_versions, model="routed", mode="ab", share=50)
    for key in KEYS[:20]:
        for body in ("5", "-1", "five", ""):
            got = client.post(
                "/predictions/routed",
                data=body,
                headers={"X-Client-Id": key},
                content_type="text/plain",
            )
            version = "2.0" if gets_candidate(key, "2.0", 50) else "1.0"
            assert got.headers["X-Model-Version"] == version
            asked = requests.post(
                f"{two_versions}/predictions/routed/{version}",
                data=body,
                headers={"Content-Type": "text/plain"},
                timeout=30,
            )
            assert got.status_code == asked.status_code
            assert got.data == asked.content
            assert got.content_type == asked.headers["Content-Type"]


def test_a_version_that_is_not_there_is_taken_back(two_versions):
    client = client_of(two_versions, model="routed", candidate="9.0", share=50)
    reason = ask_until_taken_back(client)
    assert reason.startswith("6 other statuses in the last 6")


def test_a_canary_that_answers_wrong_is_taken_back_on_torchserve(two_versions):
    client = client_of(two_versions, model="routed", share=50)
    reason = ask_until_taken_back(client)
    assert reason.startswith("6 other answers in the last ")
    for key in KEYS[:20]:
        got = client.post("/predictions/routed", json=5, headers={"X-Client-Id": key})
        assert got.headers["X-Model-Version"] == "1.0"
        assert json.loads(got.data)[0] == pytest.approx(9, abs=0.05)


def ask_until_taken_back(client):
    """The reason; it fails if 500 clients have asked and the canary has its share."""
    for key in KEYS[:500]:
        client.post("/predictions/routed", json=5, headers={"X-Client-Id": key})
        status = client.get("/status").json
        if status["reason"]:
            assert status["share"] == 0
            return status["reason"]
    raise AssertionError(status)


@pytest.mark.slow
def test_what_waits_for_a_version_is_lost_when_that_is_unregistered(torchserve):
    """Why lesson 09 lets an old version finish before it unregisters it."""
    model = f"{torchserve.management}/models/hangs"
    query = {"url": "simple_linear.mar", "model_name": "hangs", "initial_workers": 1}
    models = model.rpartition("/")[0]
    requests.post(models, params=query, timeout=60).raise_for_status()

    def described():
        [found] = requests.get(model, timeout=30).json()
        return found

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
        assert requests.delete(model, timeout=30).status_code == 200
        answers = sorted(asked, key=str)
    # One was in the worker's hands: it may hear that its worker died.
    assert answers in ([500, "no answer", "no answer"], ["no answer"] * 3)
