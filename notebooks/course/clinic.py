"""The patient of lesson 05: what a colleague sends, with a fault in each of two files.

The lesson's cells show what goes wrong; this file knows why. Read it afterwards.
"""

import re
import shutil
from pathlib import Path

from ts.model_server import load_properties

from course import lesson, servers
from course.torchserve import TorchServe

FOLDER = Path("clinic")  # at the root of the project; git ignores it
CONFIG = FOLDER / "config.properties"
HANDLER = FOLDER / "patient_handler.py"
ARCHIVE = FOLDER / "patient.mar"

BAD_IMPORT = "from models.linear import SimpleLinearModel"
PATIENT = (
    "torchserve --start --foreground --ncs --model-store clinic "
    "--models patient=patient.mar --ts-config clinic/config.properties "
    "--disable-token-auth"
)
ARCHIVER = (
    "torch-model-archiver --model-name patient --version 1.0 "
    "--model-file models/linear.py --serialized-file models/model.pth "
    "--handler clinic/patient_handler.py --export-path clinic --force"
)


def admit(first: TorchServe) -> None:
    """Make the folder clinic: a configuration with the first server's addresses, and an
    archive whose handler imports what the archive does not have."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    settings = Path("config/config.properties").read_text(encoding="utf-8")
    for name in ("inference", "management", "metrics"):
        own = f"{name}_address={getattr(first, name)}"
        settings = re.sub(rf"(?m)^{name}_address=.*$", own, settings)
    CONFIG.write_text(settings, encoding="utf-8")
    handler = Path("handlers/model_handler.py").read_text(encoding="utf-8")
    HANDLER.write_text(f"{BAD_IMPORT}\n{handler}", encoding="utf-8")
    lesson.run_quietly(ARCHIVER)
    print("in the folder clinic:", *sorted(path.name for path in FOLDER.iterdir()))


def start(lines: str) -> TorchServe:
    """Append lines to the patient's configuration and start it, healthy or not.

    Of what a file says twice, TorchServe takes the last. Blanks at the end of a line,
    which nobody sees and TorchServe reads, are left out.
    """
    lines = "\n".join(line.strip() for line in lines.strip().splitlines())
    with CONFIG.open("a", encoding="utf-8") as file:
        file.write(f"\n{lines}\n")
    # The metrics address is there when the server is, whatever became of the worker.
    metrics = load_properties(str(CONFIG))["metrics_address"]
    return servers.start(PATIENT, ready=f"{metrics}/metrics", name="patient")


def restart() -> TorchServe:
    """Start the patient again, configured as it is, until its worker is READY."""
    management = load_properties(str(CONFIG))["management_address"]
    return servers.start(PATIENT, ready=f"{management}/models/patient", name="patient")


def mend(line: str) -> None:
    """Put a line in place of the handler's first one, and build the archive again."""
    handler = HANDLER.read_text(encoding="utf-8")
    mended = f"{line.strip()}\n{handler.partition(chr(10))[2]}"
    HANDLER.write_text(mended, encoding="utf-8")
    lesson.run_quietly(ARCHIVER)


def end_of(error: servers.ServerError) -> str:
    """The last exception in the output of a server that has ended, and what led to it.

    Lines that other threads wrote in between are left out.
    """
    lines = str(error).splitlines()
    starts = [n for n, line in enumerate(lines) if line.startswith("java.")]
    kept = lines[starts[-1] :] if starts else []
    return "\n".join(
        line for line in kept if re.match(r"java\.|\tat |Caused by: ", line)
    )


def death(server: TorchServe) -> str:
    """What model_log.log says of the first worker that died, once it has said it all.

    Without time and thread of each line. Of each traceback only the last frame is
    there, with a line of … for the others.
    """
    died = "Backend worker process died."
    log = ""
    while len(re.findall(r"Error: .*\n", log)) < 2:  # it ends with a second traceback
        lesson.wait_until(lambda known=log: server.log("model_log.log") != known, 60)
        log = server.log("model_log.log")
    said = [line.partition(" MODEL_LOG - ")[2] for line in log.splitlines()]
    first = said.index(died)
    told = [died]
    frames = []
    for line in said[first + 1 :]:
        if line.startswith("  File "):
            frames.append([line])
        elif line.startswith("    ") and frames:
            frames[-1] += [line] if line.strip("^ ~") else []
        elif "_name_part0=" in line:  # the next worker
            break
        else:
            code = [frame for frame in frames if "importlib" not in frame[0]]
            if code:
                told += ["  …", re.sub(r'"[^"]*/', '"…/', code[-1][0]), *code[-1][1:]]
            told.append(line)
            frames = []
    return "\n".join(told).rstrip()
