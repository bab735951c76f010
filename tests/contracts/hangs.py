"""Twenty-two ways in which an evaluation may never come back: functions that are called in a worker."""

import faulthandler
import fcntl
import itertools
import os
import queue
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable

from evonet.job import Job, Outcome
from evonet.workers import Evaluate


def sleep() -> None:
    while True:
        time.sleep(60)


def gil_spin() -> None:
    while True:
        pass


def c_loop_with_the_gil() -> None:
    sum(itertools.repeat(0))


def regular_expression() -> None:
    re.match(r"(a|a)+$", "a" * 60 + "b")


def big_number() -> None:
    pow(3, 1 << 40)


def torch_loop() -> None:
    import torch

    square = torch.ones(64, 64)
    while True:
        square = torch.tanh(square @ square)


def dead_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def condition() -> None:
    waiting = threading.Condition()
    with waiting:
        waiting.wait()


def empty_queue() -> None:
    queue.Queue[int]().get()


def endless_thread() -> None:
    thread = threading.Thread(target=sleep)
    thread.start()
    thread.join()


def stopped() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    sleep()


def blocked_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    sleep()


def ignored_signals() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        signal.signal(number, signal.SIG_IGN)
    sleep()


def child_process() -> None:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(3600)"], check=True)


def forked_child_with_our_files() -> None:
    """It keeps the worker's sockets open after the worker is gone."""
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
    sleep()


def pipe() -> None:
    reading, _ = os.pipe()
    os.read(reading, 1)


def socket_without_a_sender() -> None:
    mine, _theirs = socket.socketpair()
    mine.recv(1)


def select_forever() -> None:
    select.select([], [], [])


def file_lock() -> None:
    with tempfile.NamedTemporaryFile() as file, open(file.name) as again:
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.flock(again, fcntl.LOCK_EX)


def swallowed_exceptions() -> None:
    while True:
        try:
            time.sleep(60)
        except BaseException:  # noqa: S112 - that is what it is about
            continue


def watchdog_called_off() -> None:
    faulthandler.cancel_dump_traceback_later()
    sleep()


def mute() -> None:
    """No watchdog, and no signal is heard: nobody is left in the process who would write a stack."""
    faulthandler.cancel_dump_traceback_later()
    blocked_signals()


KINDS: dict[str, Callable[[], None]] = {
    kind.__name__: kind
    for kind in (
        sleep, gil_spin, c_loop_with_the_gil, regular_expression, big_number, torch_loop, dead_lock, condition,
        empty_queue, endless_thread, stopped, blocked_signals, ignored_signals, child_process,
        forked_child_with_our_files, pipe, socket_without_a_sender, select_forever, file_lock, swallowed_exceptions,
        watchdog_called_off, mute,
    )
}  # fmt: skip
WITHOUT_STACK = {"mute"}


def hanging() -> Evaluate:
    def evaluate(job: Job) -> Outcome:
        KINDS[job.genome.decode()]()
        raise AssertionError("it came back")

    return evaluate
