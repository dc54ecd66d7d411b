"""A harmless process of the host that serves a unix socket, under the name of another program.

In: a path and a name.  Out: the process, which ends with the plant.  It answers nothing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

SCRIPT = """
import ctypes, os, socket, sys
name, folder, path, kind, moved = sys.argv[1:]
ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)  # PR_SET_NAME
os.chdir(folder)
served = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
served.bind(path)
if kind != "datagram":
    served.listen(1)
if moved:
    os.rename(path, moved)
print("ready", flush=True)
sys.stdin.read()
"""


def serve(
    path: Path, name: str, kind: str = "stream", moved: str = "", words: Sequence[str] = ()
) -> Callable[[], object]:
    """
    Start a process that serves a socket; return what ends it.

    Args:
        path: the socket's path; its folder is the process's working folder.
        name: the process's name.
        kind: "stream", "datagram", or "relative" for a path that is relative to the working folder.
        moved: the name that the socket's file gets afterwards.
        words: a command that starts the process: `unshare --net`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    at = path.name if kind == "relative" else str(path)
    argv = [*words, sys.executable, "-I", "-c", SCRIPT, name, str(path.parent), at, kind, moved]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", f"{name} did not start"

    def end() -> None:
        process.communicate(timeout=60)  # the end of its input ends it
        path.with_name(moved or path.name).unlink(missing_ok=True)

    return end
