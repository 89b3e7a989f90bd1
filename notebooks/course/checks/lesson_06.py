"""The checks of lesson 06: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
    """By how much the counter rises: three good, two refused, one for no such model."""
    if answer is None:
        print("Not answered yet: put a whole number into answer_1 and run both cells.")
    elif answer == 5:
        print("Right: the five for a model that TorchServe knows, refused or not.")
    elif answer == 6:
        print("One less: which request did not get as far as simple_linear?")
    elif answer in (3, 4):
        print("More. Who refuses 'five': TorchServe, or the handler that it has asked?")
    else:
        print("Not yet. Go through the six and ask of each: did simple_linear get it?")


def exercise_2(query, management):
    """A query that registers the archive as twin, with two workers that are READY."""
    from urllib.parse import parse_qs

    import requests

    if query is None:
        print("Not answered yet: put the query into query and run both cells.")
        return
    if not isinstance(query, str):
        print(f"query has the type {type(query).__name__}; make it text, in quotes.")
        return
    given = {key: values[0] for key, values in parse_qs(query.split("?")[-1]).items()}
    wanted = {"url": "simple_linear.mar", "model_name": "twin", "initial_workers": "2"}
    hints = {
        "url": "which archive in the model store?",
        "model_name": "which parameter gives a model another name?",
        "initial_workers": "which parameter says how many workers it starts with?",
    }
    for key, value in wanted.items():
        if given.get(key) != value:
            print(f"{key} is {given.get(key)}, and that is not it: {hints[key]}")
            return
    try:
        answer = requests.post(f"{management}/models", params=given, timeout=60)
        if not answer.ok:
            print(f"TorchServe says {answer.status_code}: {answer.json()['message']}")
            return
        twin = requests.get(f"{management}/models/twin", timeout=10).json()[0]
        requests.delete(f"{management}/models/twin", timeout=10)
    except requests.RequestException:
        print("TorchServe does not answer: run the notebook again from the top.")
        return
    ready = sum(worker["status"] == "READY" for worker in twin["workers"])
    if ready == 2:
        print("Right: twin had 2 workers READY. It is unregistered again.")
    else:
        print(f"{ready} of 2 workers were READY when the answer came: wait for them.")
