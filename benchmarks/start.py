"""How long the light commands take, as whole processes, beside a bare Python.

    python benchmarks/start.py RUN

Goal: `evonet --help` and `evonet status RUN` in <= 0.3 s.
"""

import subprocess
import sys

import harness

PROGRAM = (sys.executable, "-m", "evonet")  # of the tree that is measured, not of the one that is installed


def process(*arguments: str) -> None:
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    commands = [["--help"]] + ([["status", sys.argv[1]], ["show", sys.argv[1]]] if len(sys.argv) > 1 else [])
    print("whole process: evonet, bare python, ratio (goal <= 300 ms)")
    for command in commands:
        line = harness.alternate(
            lambda command=command: process(*PROGRAM, *command),
            lambda: process(sys.executable, "-c", "pass"),
            rounds=7,
            repeat=1,
        )
        print(f"evonet {command[0]:23}", line)


if __name__ == "__main__":
    main()
