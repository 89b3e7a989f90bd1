"""The checks of lesson 12: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
    """The least key that each of four programs needs."""
    right = {
        "dashboard": "none",
        "watchdog": "inference",
        "operator": "management",
        "caretaker": "API",
    }
    if answer is None:
        print("Not answered yet: put a dictionary of four programs into answer_1.")
        return
    if not isinstance(answer, dict) or set(answer) != set(right):
        print("The answer is a dictionary with the keys", *right)
        return
    hints = {
        "dashboard": "look at the row /metrics: does it ask for anything?",
        "watchdog": "look at the row /ping: which key gets a 200 there?",
        "operator": "at which address are workers scaled?",
        "caretaker": "which key does renew() send?",
    }
    wrong = [name for name in right if answer[name] != right[name]]
    if not wrong:
        print("Right: each has what it needs, and nothing more.")
    elif answer[wrong[0]] not in [*right.values()]:
        print(f"{wrong[0]}: choose one of", *right.values())
    else:
        print(f"{4 - len(wrong)} of 4. {wrong[0]}: {hints[wrong[0]]}")


def exercise_2(line):
    """A line allowed_urls=… that lets one folder of one server pass, no other."""
    import re

    if line is None:
        print('Not answered yet: put a line "allowed_urls=…" into answer_2.')
        return
    if not isinstance(line, str) or not line.replace(" ", "").startswith(
        "allowed_urls="
    ):
        print("The answer is a text that starts with allowed_urls=")
        return
    # What Java makes of the value: a backslash keeps the character behind it.
    value = re.sub(r"\\(.)", r"\1", line.partition("=")[2].strip())
    try:
        patterns = [re.compile(part, re.IGNORECASE) for part in value.split(",")]
    except re.error as error:
        print(f"{value} is no regular expression: {error}")
        return

    def passes(url):
        return any(pattern.fullmatch(url) for pattern in patterns)

    place = "https://models.example.org/team/"
    for url in (f"{place}prices.mar", f"{place}2026/prices.war"):
        if not passes(url):
            print(f"{url} has to pass, and {value} does not fit all of it.")
            return
    strangers = {
        "https://models.example.org/elsewhere/x.mar": "another folder",
        "http://models.example.org/team/x.mar": "not encrypted",
        "https://models.example.org.evil.example/team/x.mar": "another server",
        "https://models.example.org/team.else/x.mar": "another folder",
        "https://evil.example/?https://models.example.org/team/x.mar": "another server",
        "https://models-example.org/team/x.mar": "a dot fits every character",
        "https://models.example-org/team/x.mar": "a dot fits every character",
        "file:///tmp/x.mar": "a file of this machine",
    }
    for url, why in strangers.items():
        if passes(url):
            print(f"{url} passes too: {why}.")
            if "every" in why and "\\" in line:
                print("A single backslash disappears in a properties file.")
            return
    print("Right: that folder of that server, and nothing else.")
