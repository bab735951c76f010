"""What was expected, written down on 2026-11-27, before anything here was trained or timed.

From ../shared/notes/saccades.md, section 5.3: MACs computed from the architectures, and where the crossover must be.
"""

DATE = "2026-11-27"

#: Millions of MACs by side: columns are the architectures of the notes, with the nearest rung of the ladder.
MACS: dict[str, dict[int, float]] = {
    "stride-2 CNN 8-16-32-64 (stride2)": {60: 0.83, 100: 2.6, 256: 17.4, 1024: 279},
    "pool2 + 3 conv (pool2)": {60: 1.84, 100: 5.2, 256: 35.4, 1024: 566},
    "+2 conv (pool2+2)": {60: 2.42, 100: 7.6, 256: 51.9, 1024: 830},
    "plain 5-conv": {60: 25.4, 100: 70.6, 256: 462, 1024: 7399},
    "SaccadeSet": {60: 4.1, 100: 4.3, 256: 7.6, 1024: 28.9},
    "one fixation": {60: 2.4, 100: 2.5, 256: 2.7, 1024: 3.8},
    "four fixations": {60: 9.2, 100: 9.4, 256: 9.5, 1024: 10.7},
}

#: Wall time of the CNN of equal error over that of the saccade network, CPU: lowest and highest.
SPEEDUP: dict[int, tuple[float, float]] = {
    60: (0.0, 1.0),
    100: (0.8, 1.25),
    256: (2.0, 5.0),
    1024: (20.0, float("inf")),
}
WORDS = {60: "no gain", 100: "parity", 256: "2-5x less wall time", 1024: "more than 20x less"}
IF_WRONG = "If 256 is no better than parity, the doubt wins and the page says so."

#: Error bars of the issue's table "Reach", in percent, and the MACs within which they are to be met.
REACH: dict[int, tuple[float | None, float | None]] = {60: (None, None), 100: (1.7, 5e6), 256: (2.0, 8e6)}
RECALL = 0.99  # of the object's cell among the four best: below, a view is given up
EFFICIENCY = 0.6  # measured speed-up over the ratio of MACs, at 10 % active cells, CPU
