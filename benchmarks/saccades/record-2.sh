#!/usr/bin/env bash
# What runs/records/saccades-5acd271.jsonl lacked, a job a line, the most wanted first; run it from the root.
#
# In one call of limited time, a process takes one at a time of those that cannot be captured (paths, @box, learned at
# 60), whatever their place here:
#     train --plan plan.jsonl --device cuda --jobs 4 --lanes 4 --claim-s 145 --limit-s 215 --out /tmp/s
set -euo pipefail
genomes=benchmarks/saccades/genomes
plan() { "${PYTHON:-python}" benchmarks/saccades plan ladder box --rate 0.004 "$@" 2>/dev/null; }
again() { plan "$@" --seeds 3 | grep -v '"seed": 1,'; } # seeds 2 and 3
at60() { plan --tasks clutter:60 --seeds 1 --steps 4000 --models "$@"; }
at100() { plan --tasks clutter:100 --seeds 1 --steps 5000 --models "$@"; }
at256() { plan --tasks clutter:256 --seeds 1 --models "$@"; }
looks() { echo "saccade:$genomes/$1.toml:$2"; }

# Scan paths, and twice the steps for both sides, are the longest.
at256 "$(looks path-2 learned-scored@box)"
at100 "$(looks path-3 learned-scored)" "$(looks path-2 learned-scored)"
at256 "$(looks set-w12 learned)" stride2 --steps 6000
at256 "$(looks path-3 learned-scored@box)"
# One or two layers deeper, and the rest of the ladder at 256.
at256 pool4+2 pool4+1
at256 pool2-narrow pool4-narrow pool8-wide pool8-narrow
# The CNN nearest to equal error at 100 had one seed; so had the network that the verdict at 256 is about.
again --tasks clutter:100 --steps 5000 --models plain5
again --tasks clutter:256 --models "$(looks set-w8-d8 learned)"
# Boxes for both sides; the box loss of the saccade network fades now.
at256 stride2@box "$(looks set-w8 learned@box)"
# 60: rungs of equal MACs, and seeds.
at60 stride2-wide stride2+1 pool4-wide plain5
again --tasks clutter:60 --steps 4000 --models "$(looks set-w8-d2 learned)"
# Controls: as many steps as the others.
at256 "$(looks set-w8 random)" "$(looks set-w8 centre)"
# Paths: does the score function find the digit at 256 without boxes? And seeds.
at256 "$(looks path-2 learned-scored)"
again --tasks clutter:100 --steps 5000 --models "$(looks path-2 learned-scored)"
# What else there is time for.
at100 stride2-wide stride2+1 pool4+2 pool4+1 pool2-narrow stem8
again --tasks clutter:256 --models pool4+2
again --tasks clutter:60 --steps 4000 --models pool2
again --tasks clutter:100 --steps 5000 --models "$(looks kernels-3 learned)" "$(looks kernels-5 learned)"
