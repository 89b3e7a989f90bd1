"""Which processes still run, for the tests that end them."""

import psutil


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; a zombie has ended. A pid used anew is no survivor."""
    alive = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process)
        except psutil.NoSuchProcess:
            pass
    return alive
