"""Run a command, and end it with all it started as soon as nobody needs it.

    python keeper.py [--remove FOLDER] COMMAND [ARGUMENT ...]

A kernel that is killed runs no clean-up code, so a server of its own may live on. This
process stands between the two. It holds on to the server while the other end of
its standard input is open, and ends the server's whole group when that closes, when it
gets SIGTERM, or when its parent changes: one of these happens however a kernel ends. It
then removes FOLDER, the server's own. A server that ends by itself leaves its logs,
for stop() or the next clean-up of the temp folder.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import psutil

# Seconds between asking a server to end and killing it. TorchServe closes its ports
# within 0.1 s, and what it does after that is to sit out a quiet period.
GRACE = 0.5
WINDOWS = sys.platform == "win32"


def signal_group(server: subprocess.Popen, force: bool) -> bool:
    """Send TERM, or KILL if force, to the server's group; return whether it exists."""
    if WINDOWS:  # no groups of that kind there: take the tree as it stands
        try:
            root = psutil.Process(server.pid)
            tree = [*root.children(recursive=True), root]
        except psutil.NoSuchProcess:
            return False
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):  # ended meanwhile
                process.kill() if force else process.terminate()
        return True
    try:
        os.killpg(server.pid, signal.SIGKILL if force else signal.SIGTERM)
    except (ProcessLookupError, PermissionError):  # macOS: only zombies are left
        return False
    return True


def group_exists(server: subprocess.Popen) -> bool:
    """Whether the server or anything in its group still runs."""
    if WINDOWS:
        return server.poll() is None
    server.poll()  # reap it, or it would count as alive
    try:
        os.killpg(server.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end(server: subprocess.Popen) -> None:
    """Ask the server's group to end, and kill what is left after GRACE seconds."""
    deadline = time.monotonic() + GRACE
    if signal_group(server, force=False):
        while group_exists(server) and time.monotonic() < deadline:
            time.sleep(0.05)
        signal_group(server, force=True)
    server.wait()


def main(command: list[str]) -> int:
    """Keep the command running until it ends by itself or nobody needs it."""
    folder = None
    if command[0] == "--remove":
        folder, command = command[1], command[2:]
    parent = os.getppid()
    unneeded = threading.Event()
    # The interrupt button and a closed terminal are meant for the kernel, not for us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not WINDOWS:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: unneeded.set())

    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=not WINDOWS
    )

    def wait_for_end_of_input() -> None:
        while os.read(0, 1024):  # unbuffered: a lock would stop the interpreter's exit
            pass
        unneeded.set()

    threading.Thread(target=wait_for_end_of_input, daemon=True).start()
    try:
        while server.poll() is None and not unneeded.wait(0.1):
            if os.getppid() != parent:
                unneeded.set()
    finally:
        end(server)
    if folder and unneeded.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    return server.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
