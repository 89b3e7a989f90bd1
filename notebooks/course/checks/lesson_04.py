"""The checks of lesson 04: each says what is right, or gives a hint that fits."""


def exercise_1(answer):
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


def exercise_2(mended):
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
