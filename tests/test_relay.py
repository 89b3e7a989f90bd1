"""The relay between a learner's client and a server."""

import requests
from course.relay import Relay


def test_it_passes_on_and_counts(flask_server):
    with Relay(flask_server.url, slow={1: 0.05}, refused=2) as relay:
        url = f"{relay.url}/predict"
        with requests.Session() as session:
            answers = [session.post(url, json={"value": 5}, timeout=9) for _ in "123"]
        assert relay.connections == 1
        requests.post(url, json={"value": "x"}, timeout=9)
    assert [answer.status_code for answer in answers] == [200, 200, 503]
    assert answers[0].json()["input"] == 5
    assert answers[1].elapsed.total_seconds() >= 0.05
    assert (len(relay.bodies), relay.connections) == (4, 2)


def test_a_relay_that_is_gone_does_not_answer(flask_server):
    with Relay(flask_server.url) as relay:
        pass
    try:
        answer = requests.post(f"{relay.url}/predict", json={"value": 5}, timeout=9)
    except requests.ConnectionError:
        answer = None
    assert answer is None and relay.bodies == []
