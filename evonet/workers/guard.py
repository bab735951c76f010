"""Ends what a private Ray leaves when its driver is killed.

Its servers and workers die with the driver (PR_SET_PDEATHSIG, Ray's own and `inside.die_with`). Two agents of the
raylet do not: they first want to tell the head, which is gone, and try that for a minute (process_watcher.py). So a
shell waits for the end of this process, which closes a pipe, and kills them by their numbers.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from evonet.workers.origin import born

# Arguments are PID:BIRTH, so that a number that has become another's by then is left alone.
_WAIT_AND_KILL = """
read -r _
sleep 3
for one in "$@"; do
  pid=${one%%:*}
  birth=$(sed 's/.*) //' "/proc/$pid/stat" 2> /dev/null | cut -d ' ' -f 20)
  [ "$birth" = "${one##*:}" ] && kill -9 "$pid"
done
"""


class Guard:
    """Watches over all processes below this one, from now until `dismiss`. On Linux; elsewhere it does nothing."""

    def __init__(self) -> None:
        names = [f"{pid}:{born(pid)}" for pid in family(os.getpid())]
        reading, self._writing = os.pipe()  # not inherited: this process alone holds it open
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _WAIT_AND_KILL, "sh", *names], stdin=reading, start_new_session=True
        )
        os.close(reading)

    def dismiss(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._writing)


def family(pid: int) -> set[int]:
    """The processes below `pid`, by the kernel's books; none where it keeps no such books."""
    found: set[int] = set()
    todo = [pid]
    while todo:
        for path in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            with suppress(OSError):  # a thread that has just ended
                new = {int(child) for child in path.read_text().split()} - found
                found |= new
                todo += new
    return found
