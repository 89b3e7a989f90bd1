"""What tells in a worker's log: most of its lines are TorchServe's own way down."""

import re

ERROR = r"(?:\w+\.)*\w+(?:Error|Exception)\b.*"


def telling(log: str, *files: str) -> list[str]:
    """The lines that name an error, that start a traceback, or that name these files.

    Of a file's path only the name is left.
    """
    named = "|".join(map(re.escape, files)) or "(?!)"
    log = re.sub(rf'File ".*/({named})"', r'File "…/\1"', log)
    wanted = rf'(?m)^(?:{ERROR}|Traceback|During| *File "…/.*).*'
    return re.findall(wanted, log)


def first_error(log: str) -> str:
    """The first line that names an error, or the last line of all."""
    found = re.search(rf"(?m)^{ERROR}", log)
    return found[0] if found else (log.strip().splitlines() or [""])[-1]
