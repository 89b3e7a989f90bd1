from urllib.parse import parse_qs

import requests

from course.checks.form import ANY, task, value

task_1 = value(
    "put a whole number into answer_1 and run both cells",
    (5, "Right: the five for a model that TorchServe knows, refused or not."),
    (6, "One less: which request did not get as far as simple_linear?"),
    ((3, 4), "More. Who refuses 'five': TorchServe, or the handler that it has asked?"),
    (ANY, "Not yet. Go through the six and ask of each: did simple_linear get it?"),
)

QUERY = "url=simple_linear.mar&model_name=twin&initial_workers=2"


@task(
    (f"…/models?{QUERY}&synchronous=true", "Right"),
    (QUERY.replace(".mar", ""), "url is 'simple_linear', and"),
    (QUERY.replace("model_name", "name"), "model_name is None, and"),
    (QUERY.replace("initial", "min"), "initial_workers is None, and"),
    (QUERY + "&synchronous=false", "0 of 2 workers were READY"),
    (QUERY + "&runtime=nosuch", "TorchServe says 400: "),
)
def task_2(query: str, management):
    """put the query into query and run both cells"""
    given = {key: values[0] for key, values in parse_qs(query.split("?")[-1]).items()}
    wanted = {"url": "simple_linear.mar", "model_name": "twin", "initial_workers": "2"}
    hints = {
        "url": "which archive in the model store?",
        "model_name": "which parameter gives a model another name?",
        "initial_workers": "which parameter says how many workers it starts with?",
    }
    for key, right in wanted.items():
        if given.get(key) != right:
            return f"{key} is {given.get(key)!r}, and that is not it: {hints[key]}"
    answer = requests.post(f"{management}/models", params=given, timeout=60)
    if not answer.ok:
        return f"TorchServe says {answer.status_code}: {answer.json()['message']}"
    twin = requests.get(f"{management}/models/twin", timeout=10).json()[0]
    requests.delete(f"{management}/models/twin", timeout=10)
    ready = sum(worker["status"] == "READY" for worker in twin["workers"])
    if ready != 2:
        return f"{ready} of 2 workers were READY when the answer came: wait for them."
    return "Right: twin had 2 workers READY. It is unregistered again."
