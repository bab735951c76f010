# The README's commands. Everything happens in .venv, which is made on first use; nothing needs a GPU.

PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data
SEEDS ?= 3
COUNT ?= 1000000
JOBS ?= 2
READY := .venv/.ready

.PHONY: run test check bench chaos fuzz results clean

run: $(READY)  ## evolve a network on handwritten digits, then export the best one
	$(BIN)/evonet run configs/digits.toml
	newest=$$($(BIN)/evonet ls runs --newest) && $(BIN)/evonet export "$$newest" --best 1 --out "exports/$$(basename "$$newest")"

test: check  ## lint, types, import contracts, tests: JOBS files of them at a time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile

check: $(READY)  ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(READY)  ## the short benchmarks, printed side by side; nothing else should run
	for name in expand step lowerings workers selection start compactness roundtrip; do \
	  echo "== benchmarks/$$name.py"; OMP_NUM_THREADS=1 $(BIN)/python "benchmarks/$$name.py" || exit 1; done
	OMP_NUM_THREADS=1 $(BIN)/evonet bench cluster --workers 64 --population 256 --window 256 --individuals 4000

chaos: $(READY)  ## what runs survive, in its long form: kills, races, full disks, damaged files; minutes
	EVONET_CHAOS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/chaos

fuzz: $(READY)  ## COUNT mutated files and genomes: an hour for each million
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python tests/fuzz.py $(COUNT)

results: $(READY)  ## the runs behind docs/results: hours, resumable, more with SEEDS=n; MNIST lies in DATA
	$(BIN)/python benchmarks/results/main_job.py digits --seeds $(SEEDS)
	$(BIN)/python benchmarks/results/main_job.py mnist --seeds 1 --data-dir $(DATA)
	$(BIN)/python benchmarks/results/main_job.py compare --seeds $(SEEDS) --data-dir $(DATA)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/operators.py --count 100 --out runs/operators.jsonl
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/ratio run lag bytes scramble mnist --seeds $(SEEDS) --data-dir $(DATA)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/ratio report
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/halving.py run --seeds $(SEEDS) --data-dir $(DATA)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/efficiency/search.py run --seeds $(SEEDS) --data-dir $(DATA)

clean:
	rm -rf .venv

# pip runs again only when what is to be installed has changed.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "evonet needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
