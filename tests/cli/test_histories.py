"""A run's past as commands: fork, replay, fidelity, resume with changes, requests, doctor."""

import gzip
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from stub_evaluations import FACTORY

from evonet import app, replaying
from evonet.changes import check_trust, named_code
from evonet.config import load_config, to_toml
from evonet.errors import ConfigError, Interrupted
from evonet.evolution.interventions import Configure, Cull, Note, Pause, Written
from evonet.inbox import FolderInbox, send
from evonet.job import Scored
from evonet.report.fidelity import kendall
from evonet.store import RunWriter, open_run, run_digest

CONFIG = """
[search]
population = 4
individuals = 8
rungs = [3, 6]
promote_every = 2
finish_best = 1
[genes]
sheets = [1, 1]
channels = [4, 4]
[training]
batch = 16
[compression]
rounds = 1
finish_rounds = 1
calibration = 64
finish_calibration = 64
[workers]
kind = "serial"
"""
TRAINED = app.FACTORY
GENOMES = Path(__file__).parents[2] / "genomes"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("histories")
    (path / "tiny.toml").write_text(CONFIG)
    return path


@pytest.fixture(scope="module", autouse=True)
def stubs():
    """Evaluations take no time here, but for those that are marked as `trained`."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (app, replaying):
            patch.setattr(module, "FACTORY", FACTORY)
        yield


@pytest.fixture
def trained(monkeypatch):
    for module in (app, replaying):
        monkeypatch.setattr(module, "FACTORY", TRAINED)


def start(folder, name, stop=lambda: False):
    config = load_config(folder / "tiny.toml")
    return app.start(config, folder / name, name=name, watch=lambda _: None, stop=stop, opened=lambda _: None)


@pytest.fixture(scope="module")
def origin(folder):
    """A finished run: 8 individuals of two generations."""
    return start(folder, "origin")


@pytest.fixture
def stopped(folder, origin, evonet, tmp_path):
    """A fork of it before its second generation, that nobody drives."""
    answer = evonet("fork", origin, "--generation", 1, "--run", tmp_path / "fork", "--no-run")
    assert answer.exit_code == 0, answer.output
    return tmp_path / "fork"


def digest(path):
    with open_run(path) as run:
        return run_digest(run)


def resumed(path, **changes):
    options = {"workers": None, "address": None, "data_dir": None, "until": None, "watch": lambda _: None}
    app.resume(path, **{**options, "stop": lambda: False, **changes})


def events(path):
    with open_run(path) as run:
        return [(e.kind, e.decision, e.text) for e in run.events()]


def alter(path, sql, *values):
    with RunWriter.open(path) as writer:
        writer._db.execute(sql, values)


# ---- fork


def test_a_fork_without_changes_becomes_its_origin(evonet, origin, stopped):
    with open_run(stopped) as run, open_run(origin) as whole:
        cut = whole.individual(4).decision
        assert (run.state, run.counts().issued, run.counts().individuals) == ("stopped", cut, 4)
        assert run.provenance["data"] == whole.provenance["data"]
    assert events(stopped) == [("fork", cut, "of origin at generation 1")]
    answer = evonet("resume", stopped)
    assert (answer.exit_code, "is finished" in answer.stdout) == (0, True), answer.output
    assert digest(stopped) == digest(origin)


def test_a_fork_with_changes_shares_the_beginning_and_goes_on_otherwise(evonet, origin, tmp_path):
    sets = ("--set", "score.size_weight=0.5", "--set", "training.lr=0.02", "--set", "run.seed=9")
    answer = evonet("fork", origin, "--generation", 1, "--run", tmp_path / "f", *sets)
    assert answer.exit_code == 0, answer.output
    with open_run(tmp_path / "f") as fork, open_run(origin) as whole:
        ours, theirs = list(fork.decisions(weights=True)), list(whole.decisions(weights=True))
        cut = whole.individual(4).decision
        assert ours[:cut] == theirs[:cut]
        assert not {d.key for d in ours[cut:]} & {d.key for d in theirs[cut:]}
        assert fork.config != fork.first_config == whole.config
        (change,) = [e for e in fork.events() if e.kind == "configure"]
    assert change.decision == cut
    assert "run.seed: 1 -> 9; score.size_weight: 1.0 -> 0.5; training.lr: 0.01 -> 0.02" in change.text
    status = json.loads(evonet("status", tmp_path / "f", "--json").stdout)
    shown = json.loads(evonet("show", tmp_path / "f", "--all", "--json").stdout)
    assert (status["seed"], status["individuals"]) == (9, 8)
    m = [d.outcome.measures for d in ours if d.individual == 0][-1]  # it may have been promoted
    assert next(r["score"] for r in shown if r["id"] == 0) == -(0.5 * 8 * m.bytes + m.train_images * m.loss)
    assert evonet("replay", tmp_path / "f", "--id", 5).exit_code == 0


def test_a_fork_of_a_finished_run_goes_on_longer(evonet, origin, tmp_path):
    answer = evonet("fork", origin, "--generation", 2, "--run", tmp_path / "f", "--set", "search.individuals=10")
    assert answer.exit_code == 0, answer.output
    longer = load_config(origin.parent / "tiny.toml", ["search.individuals=10"])
    app.start(longer, tmp_path / "l", name="l", watch=lambda _: None, stop=lambda: False, opened=lambda _: None)
    assert digest(tmp_path / "f") == digest(tmp_path / "l")


@pytest.mark.parametrize(
    "change, reason",
    [
        ("search.population=8", "blocks and generations are counted by it"),
        ("search.window=9", "it says which outcomes a decision has seen"),
        ("search.rungs=[3]", "individuals stand on them"),
        ("search.drift=true", "scores that were shuffled"),
        ("data.spec=lag:3", "other data"),
        ("search.individuals=4", "individuals = 4"),
        ("search.colour=4", "no key 'colour'"),
    ],
)
def test_what_no_fork_can_bear_is_said(evonet, origin, tmp_path, change, reason):
    answer = evonet("fork", origin, "--generation", 2, "--run", tmp_path / "f", "--set", change, "--no-run")
    assert (answer.exit_code, len(answer.stderr.splitlines())) == (3, 1), answer.output
    assert reason in answer.stderr
    assert not (tmp_path / "f").exists()


def test_forks_are_of_generations_that_are_there(evonet, origin, stopped, tmp_path):
    answer = evonet("fork", origin, "--generation", 3, "--no-run")
    assert (answer.exit_code, "generation 3 is not reached, expected one in 0..2" in answer.stderr) == (5, True)
    assert evonet("fork", origin, "--generation", 1, "--run", stopped, "--no-run").exit_code == 2
    here = evonet("fork", stopped, "--generation", 1, "--no-run")
    assert re.search(r"run .*0001-fork-fork, a fork of", here.stdout), here.output


# ---- replay


@pytest.mark.usefixtures("trained")
def test_replay_is_the_same_bit_for_bit(evonet, folder, tmp_path):
    """With real training: a run, a fork of it that trains otherwise, and a guest with weights in that fork."""
    first, second = start(folder, "trained"), tmp_path / "second"
    change = ("--set", "training.lr=0.02")
    assert evonet("fork", first, "--generation", 1, "--run", second, "--no-run", *change).exit_code == 0
    with open_run(first) as run:
        (tmp_path / "a.evo").write_bytes(run.package(run.individual(7).id))
    assert evonet("inject", second, tmp_path / "a.evo").exit_code == 0
    resumed(second)
    with open_run(second) as run:
        guest = next(i.id for i in run.individuals() if i.operator == "inject")
        child = next(i.id for i in run.individuals(1) if i.parents)
        early = next(i.id for i in run.individuals(0) if len(i.evaluations) > 1)
    for one in (guest, child, early):
        answer = evonet("replay", second, "--id", one)
        assert answer.exit_code == 0, answer.output


def test_replay_prints_a_line_for_every_decision(evonet, origin):
    with open_run(origin) as run:
        many = max(run.individuals(), key=lambda i: len(i.evaluations))
        child = next(i for i in run.individuals() if i.parents)
    for one in (many, child):
        answer = evonet("replay", origin, "--id", one.id)
        assert (answer.exit_code, answer.stdout.count(" same: ")) == (0, len(one.evaluations)), answer.output


@pytest.mark.parametrize(
    "sql, said",
    [
        ("UPDATE evaluation SET loss = loss + 1e-9 WHERE decision = 0", "differs: loss"),
        ("UPDATE weights SET package = zeroblob(9) WHERE decision = 0", "differs: package of 9 bytes became one of"),
        ("UPDATE evaluation SET key = 'x' WHERE decision = 0", "not compared: no starting weights in the store"),
        (
            "UPDATE evaluation SET outcome = 'diverged', step = 1, reason = 'nan' WHERE decision = 0",
            "recorded diverged",
        ),
        ("UPDATE evaluation SET outcome = 'lost', attempts = 1, reason = 'hung' WHERE decision = 0", "lost (hung)"),
        ("UPDATE evaluation SET outcome = NULL WHERE decision = 0", "in flight"),
    ],
)
def test_replay_says_what_differs(evonet, stopped, sql, said):
    with open_run(stopped) as run:
        first = run.individual(0)
    alter(stopped, sql)
    answer = evonet("replay", stopped, "--id", first.id)
    assert (answer.exit_code, said in answer.stdout) == (1, True), answer.output


def test_replay_warns_of_another_machine_and_refuses_other_data(evonet, stopped):
    with open_run(stopped) as run:
        origin = dict(run.provenance)
    elsewhere = origin | {"packages": {"torch": "1.0"}, "machine": {"processor": "abacus"}}
    alter(stopped, "UPDATE run SET provenance = ?", json.dumps(elsewhere))
    answer = evonet("replay", stopped, "--id", 0, "--json")
    assert answer.exit_code == 0, answer.output
    assert [w.partition(", here")[0] for w in json.loads(answer.stdout)["warnings"]] == [
        "the run was begun with torch 1.0", "the run was begun with processor abacus",
    ]  # fmt: skip
    alter(stopped, "UPDATE run SET provenance = ?", json.dumps(origin | {"data": "beef"}))
    answer = evonet("replay", stopped, "--id", 0)
    assert (answer.exit_code, "made with data of fingerprint beef, came" in answer.stderr) == (3, True)


# ---- resume and run, with changes


def test_resume_takes_changes_that_change_no_result_or_go_on_longer(evonet, stopped, tmp_path):
    sets = ("--set", "workers.count=1", "--set", f"data.dir={tmp_path}", "--set", "search.individuals=10")
    answer = evonet("resume", stopped, *sets)
    assert (answer.exit_code, "10 individuals" in answer.stdout) == (0, True), answer.output
    with open_run(stopped) as run:
        assert "individuals = 10" in run.config
        assert str(tmp_path) not in run.config  # of this process alone
    late = evonet("resume", stopped, "--set", "search.individuals=12")
    assert late.exit_code == 3
    assert "fork --generation 2 --set search.individuals=12`" in late.stderr


@pytest.mark.parametrize("change", ["search.fresh=0.5", "workers.threads=2", "workers.device=cuda"])
def test_resume_refuses_what_changes_results(evonet, stopped, change):
    before = digest(stopped)
    answer = evonet("resume", stopped, "--set", change)
    assert (answer.exit_code, len(answer.stderr.splitlines())) == (3, 1)
    assert f"{change.partition('=')[0]}: " in answer.stderr
    assert "evonet fork" in answer.stderr
    assert digest(stopped) == before


def test_a_run_that_exists_says_how_it_differs(evonet, folder, origin):
    same = evonet("run", folder / "tiny.toml", "--run", origin)
    assert (same.exit_code, "Its configuration is the same" in same.stderr) == (2, True), same.stderr
    other = evonet("run", folder / "tiny.toml", "--run", origin, "--set", "search.fresh=0.5")
    assert (other.exit_code, "search.fresh: 0.1 -> 0.5." in other.stderr) == (2, True), other.stderr


def test_code_that_a_stored_run_names_is_shown_and_not_run(evonet, stopped):
    with open_run(stopped) as run:
        text = run.first_config
    alter(stopped, "UPDATE run SET config = ?", text.replace('spec = "digits"', 'spec = "evil.module:load"'))
    verbs = (
        ("resume", stopped),
        ("fork", stopped, "--generation", 1),
        ("replay", stopped, "--id", 0),
        ("twin", stopped, 0, "--kind", "random"),
        ("export", stopped, "--id", 0, "--out", stopped / "out"),
    )
    for command in verbs:
        answer = evonet(*command)
        assert (answer.exit_code, "imported and run: evil.module:load" in answer.stderr) == (3, True), answer.output
        trusted = evonet(*command, "--trust-code")
        assert "say --trust-code" not in trusted.stderr
    assert evonet("status", stopped).exit_code == 0


def test_code_that_only_an_earlier_configuration_names_is_not_run_either(evonet, stopped):
    with open_run(stopped) as run:
        text, issued = run.config, run.counts().issued
    with RunWriter.open(stopped) as writer:
        for config in (text.replace('survival = "bands"', 'survival = "evil.module:stay"'), text):
            writer.event("configure", "", issued, Written(change=Configure(config=config)))
    answer = evonet("resume", stopped)
    assert (answer.exit_code, "imported and run: evil.module:stay" in answer.stderr) == (3, True), answer.output


def test_where_code_may_be_named():
    text = to_toml(
        load_config_of('[search]\ngenomes = []\n[data]\nspec = "scramble:lattice"\n[workers]\naddress = "a:b"')
    )
    assert named_code(text, "x") == []
    more = 'selection = "my.own:select"\n[rates]\n"pkg.ops:twist" = 1.0\n[data]\nspec = "m:f"\n'
    assert named_code(more, "x") == ["m:f", "my.own:select", "pkg.ops:twist"]
    with pytest.raises(ConfigError, match=r"x: its stored configuration names code .*: m:f, my\.own:select"):
        check_trust([more], "x", trusted=False)
    check_trust([more], "x", trusted=True)


def load_config_of(text):
    from evonet.config import parse_config

    return parse_config(text, "x")


# ---- requests


def test_requests_wait_for_the_next_driver_and_are_taken_once(evonet, stopped):
    (stopped / "inbox").mkdir()
    for name, content in (
        ("0000-bad.json", b"{}"),
        ("0001-bad.json", b"\xff"),
        ("0002-bad.json", b"x" * 2**22 + b"yy"),
    ):
        (stopped / "inbox" / name).write_bytes(content)
    (stopped / "inbox" / "0003-link.json").symlink_to("/etc/passwd")
    assert evonet("inject", stopped, GENOMES / "conv.toml").exit_code == 0
    assert "taken at the next `evonet resume`" in evonet("cull", stopped, 0, 2).stdout
    assert evonet("note", stopped, 1, "shallow").exit_code == 0
    resumed(stopped)
    kinds = [kind for kind, _, _ in events(stopped)]
    assert kinds == ["fork", "refused", "refused", "refused", "refused", "inject", "cull", "note", "end"]
    assert sorted(p.name for p in (stopped / "inbox").iterdir()) == ["refused"]
    assert len(list((stopped / "inbox" / "refused").iterdir())) == 4
    with open_run(stopped) as run:
        (born,) = [i for i in run.individuals() if i.operator == "inject"]
        assert (born.id, born.kind) == (4, "seed")
        assert not {0, 2} & {p for i in run.individuals(1) for p in i.parents}
    assert evonet("replay", stopped, "--id", born.id).exit_code == 0


def test_a_finished_run_takes_remarks(evonet, origin, tmp_path):
    path = shutil.copytree(origin, tmp_path / "copy")
    assert evonet("note", path, 3, "the one in the paper").exit_code == 0
    answer = evonet("resume", path, "--set", "workers.kind=ray")  # which is not started for that
    assert answer.exit_code == 0, answer.output
    assert events(path)[-1][::2] == ("note", "#3: the one in the paper")
    with open_run(path) as run:
        assert run.state == "finished"
    assert digest(path) == digest(origin)


def test_a_request_whose_driver_was_killed_too_early_is_not_taken_again(stopped):
    name = send(stopped, Note(individual=0, text="x"))
    with RunWriter.open(stopped) as writer:
        writer.event("note", "#0: x", 5, {"request": name, "change": Note(individual=0, text="x")})
    resumed(stopped)
    assert [kind for kind, _, _ in events(stopped)].count("note") == 1
    assert list((stopped / "inbox").iterdir()) == []


def test_weights_of_a_file_are_what_a_guest_starts_from(evonet, origin, stopped, tmp_path):
    golden = gzip.decompress((Path(__file__).parents[1] / "golden" / "run-1.db.gz").read_bytes())
    (tmp_path / "run.db").write_bytes(golden)
    with open_run(tmp_path) as run:
        (tmp_path / "a.evo").write_bytes(run.package(6))
    assert evonet("inject", stopped, tmp_path / "a.evo").exit_code == 0
    assert evonet("inject", stopped, tmp_path / "a.evo", "--genome-only").exit_code == 0
    resumed(stopped)
    with open_run(stopped) as run:
        one, other = [i for i in run.individuals() if i.operator == "inject"]
        assert one.genome == other.genome
        keys = {i.evaluations[0].key for i in (one, other)}
    assert len(keys) == 2
    assert evonet("replay", stopped, "--id", one.id).exit_code == 0


def test_weights_for_other_images_are_put_aside(evonet, stopped):
    champion = Path(__file__).parents[2] / "runs" / "records" / "mnist-769.evo"
    assert evonet("inject", stopped, champion).exit_code == 0
    resumed(stopped)
    (text,) = [text for kind, _, text in events(stopped) if kind == "refused"]
    assert "images of 1x28x28, 10 classes, the run's data have 1x8x8" in text


def test_bad_requests_are_refused_before_they_are_sent(evonet, origin, stopped, tmp_path):
    (tmp_path / "bad.toml").write_text("[[sheets]]\nchanels = 8\n")
    (tmp_path / "bad.evo").write_bytes(b"\xe1nothing")
    for arguments, code, said in (
        (("inject", stopped, tmp_path / "bad.toml"), 3, "did you mean 'channels'"),
        (("inject", stopped, tmp_path / "bad.evo"), 5, "bad.evo: package"),
        (("inject", stopped, tmp_path / "gone.evo"), 1, "No such file"),
        (("cull", stopped, 99), 5, "no individual 99; there are 0..3"),
        (("note", stopped, 99, "x"), 5, "no individual 99"),
        (("pause", stopped), 1, "no driver is at work on it, so there is nothing to pause"),
        (("cull", origin, 1), 1, "it is finished, nothing is decided any more; fork it"),
    ):
        answer = evonet(*arguments)
        assert (answer.exit_code, said in answer.stderr) == (code, True), answer.output
    assert not (stopped / "inbox").exists()


def test_pause_at_a_generation_holds_over_resumes(evonet, folder, tmp_path):
    path = tmp_path / "p"
    with pytest.raises(Interrupted):
        app.start(
            load_config(folder / "tiny.toml"), path, name="p", watch=lambda _: None, stop=lambda: True,
            opened=lambda _: None,
        )  # fmt: skip
    assert evonet("pause", path, "--generation", 1).exit_code == 0
    resumed(path, until=2)
    with pytest.raises(
        Interrupted, match=r"paused after \d+ decisions, 0 of them in flight; go on with: evonet resume"
    ):
        resumed(path)
    with open_run(path) as run:
        assert (run.state, run.counts().individuals) == ("stopped", 4)
    resumed(path)
    with open_run(path) as run:
        assert (run.state, run.counts().individuals) == ("finished", 8)


def test_an_order_to_pause_is_for_the_driver_that_was_at_work(evonet, stopped):
    with RunWriter.open(stopped):
        assert evonet("pause", stopped).exit_code == 0
    resumed(stopped)  # another one
    (text,) = [text for kind, _, text in events(stopped) if kind == "refused"]
    assert text.endswith("meant for a driver that has ended since")
    with open_run(stopped) as run:
        assert run.state == "finished"


def test_the_inbox_reads_what_was_sent(tmp_path):
    names = [send(tmp_path, request) for request in (Cull(individuals=(3,)), Pause(generation=2), Pause(generation=-1))]
    names.append(send(tmp_path, Pause(), driver=3))
    inbox = FolderInbox(tmp_path, known=(), epoch=4, shape=((1, 8, 8), 10))
    found = list(inbox.pending())
    assert [name for name, _ in found] == names
    assert [r for _, r in found[:2]] == [Cull(individuals=(3,)), Pause(generation=2)]
    assert [r.reason for _, r in found[2:]] == [
        "generation -1, expected 0 or more", "meant for a driver that has ended since",
    ]  # fmt: skip
    inbox.done(names[0])
    inbox.refuse(names[1])
    assert [name for name, _ in inbox.pending()] == names[2:]
    assert not (tmp_path / "inbox" / names[0]).exists()
    assert (tmp_path / "inbox" / "refused" / names[1]).exists()
    assert list(FolderInbox(tmp_path / "no", known=(), epoch=1, shape=((1, 8, 8), 10)).pending()) == []


# ---- fidelity


def test_tau_b_by_hand():
    assert kendall([(1, 1), (2, 2), (3, 3)]) == 1
    assert kendall([(1, 3), (2, 2), (3, 1)]) == -1
    assert kendall([(1, 1), (1, 2)]) is None
    assert kendall([(1, 1)]) is None
    # Three agree, none disagrees, of 6 pairs 1 is tied in x and 2 in y: 3 / sqrt(5 * 4).
    assert kendall([(1, 1), (1, 2), (2, 2), (3, 2)]) == pytest.approx(2 / (5 * 3) ** 0.5)


def test_fidelity_counts_those_at_two_rungs(evonet, origin):
    found = json.loads(evonet("fidelity", origin, "--json").stdout)
    with open_run(origin) as run:
        both = [
            i for i in run.individuals()
            if {0, 1} <= {e.rung for e in i.evaluations if isinstance(e.outcome, Scored)}
        ]  # fmt: skip
    assert both
    whole = next(f for f in found["rungs"] if f["generation"] is None)
    assert (whole["rung"], whole["count"]) == (0, len(both))
    assert sum(f["count"] for f in found["rungs"] if f["generation"] is not None) == len(both)
    text = evonet("fidelity", origin)
    assert "Only promoted individuals have both scores" in text.stdout
    assert ("below 0.6" in text.stderr) == found["low"]


def test_fidelity_of_a_run_without_promotions(evonet, stopped):
    alter(stopped, "UPDATE evaluation SET outcome = NULL WHERE kind = 'promote'")
    assert "no individual was scored at two rungs" in evonet("fidelity", stopped).stdout


# ---- doctor, clocks, two drivers


def test_doctor_looks_at_runs(evonet, origin, tmp_path):
    sound = evonet("doctor", origin, "--json")
    assert sound.exit_code == 0, sound.output
    checks = {c["name"]: c for c in json.loads(sound.stdout)}
    with open_run(origin) as run:
        count = run.counts().issued
    assert checks["decisions"]["found"] == f"{count} of {count} from the first on, with genomes and weights"
    shutil.copytree(origin, tmp_path / "hurt")
    alter(tmp_path / "hurt", "UPDATE weights SET package = x'e100' WHERE decision = 7")
    hurt = evonet("doctor", tmp_path / "hurt")
    assert (hurt.exit_code, "decision 7: its package has a wrong checksum" in hurt.stdout) == (1, True), hurt.output
    mended = evonet("doctor", tmp_path / "hurt", "--repair", tmp_path / "mended")
    assert (mended.exit_code, "decisions 0..6 of" in mended.stdout) == (0, True), mended.output
    resumed(tmp_path / "mended")
    assert digest(tmp_path / "mended") == digest(origin)
    assert evonet("doctor", "--repair", tmp_path / "x").exit_code == 2
    assert evonet("doctor", tmp_path / "nothing").exit_code == 5


@pytest.mark.parametrize("jump", [-(10**9), 10**9])
def test_the_wall_clock_decides_nothing(origin, stopped, monkeypatch, jump):
    now = time.time
    ticks = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: now() + jump * (-1) ** next(ticks))
    monkeypatch.setattr(time, "time_ns", lambda: int(1e9 * time.time()) % 2**62)
    resumed(stopped)
    assert digest(stopped) == digest(origin)


def test_nothing_waits_by_the_wall_clock():
    """Deadlines are monotonic: wall time is for people, in places that only write it down or show it."""
    root = Path(app.__file__).parent
    uses = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"\btime\.(time|time_ns|localtime|gmtime)\(|datetime\.now", path.read_text())
    }
    assert uses <= {"store/writer.py", "forking.py", "inbox.py", "report/watching.py", "report/viewer/assemble.py"}


def test_a_second_driver_is_told_before_anything_heavy_is_loaded(stopped):
    code = (
        "import sys\nfrom evonet.cli import main\n"
        "try: main()\nexcept SystemExit as e: print(e.code, sorted({'torch', 'ray', 'deap'} & set(sys.modules)))"
    )
    with RunWriter.open(stopped):
        done = subprocess.run(
            [sys.executable, "-c", code, "resume", stopped], capture_output=True, text=True, timeout=60, check=True
        )
    assert done.stdout == "4 []\n"
    assert "another driver holds this run" in done.stderr


def test_a_run_of_a_newer_evonet_is_looked_at_and_left_alone(evonet, stopped):
    alter(stopped, "PRAGMA user_version = 7")
    shown = evonet("show", stopped)
    assert (shown.exit_code, "written with schema version 7, by a newer evonet" in shown.stderr) == (0, True)
    assert evonet("fork", stopped, "--generation", 1, "--no-run").exit_code == 5
    answer = evonet("resume", stopped)
    assert (answer.exit_code, "schema version 7, this evonet writes version 1" in answer.stderr) == (5, True)
    assert msgspec.json.decode(evonet("doctor", stopped, "--json").stdout)[0]["ok"] is False
