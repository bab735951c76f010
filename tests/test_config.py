"""Run configurations: files, overrides, resolved paths, sections that must fit each other."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from evonet.composition import evaluation_settings
from evonet.config import RunConfig, load_config, overridden, parse_config, to_toml
from evonet.errors import ConfigError, GenomeError
from evonet.evaluation.settings import EvaluationSettings
from evonet.evolution.settings import SearchSettings
from evonet.genome.code import decode, encode
from evonet.genome.genes import Genome, SheetGene
from evonet.genome.text import to_toml as genome_to_toml
from evonet.training.settings import SaccadeSettings

CONFIGS = sorted((Path(__file__).parent.parent / "configs").rglob("*.toml"))


def write(folder: Path, text: str) -> Path:
    file = folder / "run.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_of_the_project_loads_and_survives_its_stored_form(path: Path) -> None:
    config = load_config(path)
    assert parse_config(to_toml(config), "stored") == config


def test_there_are_the_configs_that_the_readme_names() -> None:
    assert {"digits", "mnist"} <= {path.stem for path in CONFIGS}


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "")) == RunConfig()


def test_overrides_are_toml_values_or_plain_words(tmp_path: Path) -> None:
    file = write(tmp_path, "[search]\npopulation = 8\n")
    config = load_config(
        file,
        [
            "search.population=16",
            "search.rungs=[10, 20]",
            "workers.kind=serial",
            "score.size_weight = 0.5",
            "data.spec=mnist",
        ],
    )
    assert (config.search.population, config.search.rungs) == (16, (10, 20))
    assert (config.workers.kind, config.score.size_weight, config.data.spec) == ("serial", 0.5, "mnist")


@pytest.mark.parametrize(
    "override, message",
    [
        ("population", r"--set population: expected section.key=value"),
        ("=3", r"--set =3: expected section.key=value"),
        ("search..x=3", r"expected section.key=value"),
        ("search.popluation=3", r"did you mean 'population'"),
        ("search.population=many", r'search.population = "many", expected a whole number'),
        ("search=3", r"search = 3, expected a table"),
        ("run.seed=-1", r"run.seed = -1, expected a whole number"),
    ],
)
def test_a_bad_override_is_refused(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, ""), [override])


def test_paths_mean_from_the_file_and_in_overrides_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    file = write(tmp_path / "sub", '[data]\nspec = "npz:a/b.npz"\ndir = "images"\n')
    monkeypatch.chdir(tmp_path)
    config = load_config(file)
    assert config.data.spec == f"npz:{tmp_path}/sub/a/b.npz"
    assert config.data.dir == f"{tmp_path}/sub/images"
    assert load_config(file, ["data.dir=here"]).data.dir == f"{tmp_path}/here"


def test_seed_genomes_are_carried_as_code(tmp_path: Path) -> None:
    genome = Genome(sheets=(SheetGene(channels=6),))
    (tmp_path / "seed.toml").write_text(genome_to_toml(genome))
    config = load_config(write(tmp_path, '[search]\ngenomes = ["seed.toml"]\n'))
    (tmp_path / "seed.toml").unlink()
    again = parse_config(to_toml(config), "stored")
    assert [decode(bytes.fromhex(g.removeprefix("code:"))) for g in again.search.genomes] == [genome]
    assert again.search.genomes == ("code:" + encode(genome).hex(),)


def test_a_missing_or_bad_seed_genome_is_named(tmp_path: Path) -> None:
    file = write(tmp_path, '[search]\ngenomes = ["seed.toml"]\n')
    with pytest.raises(GenomeError, match=r"seed.toml: cannot be read"):
        load_config(file)
    (tmp_path / "seed.toml").write_text("[[sheets]]\nchannels = 7\n")
    with pytest.raises(GenomeError, match=r"seed.toml: sheets\[0\].channels = 7"):
        load_config(file)
    with pytest.raises(GenomeError, match=r'search.genomes\[0\] = "code:zz"'):
        load_config(file, ['search.genomes=["code:zz"]'])


@pytest.mark.parametrize(
    "overrides, message",
    [
        (
            ["search.population=32", "search.individuals=8"],
            r"search.population = 32, expected at most search.individuals = 8",
        ),
        (["search.survival=nsga"], r"search.survival = .nsga., expected one of bands, .* did you mean 'nsga"),
        (["search.mating=lexicas"], r"or a plug-in .module:function.; did you mean 'lexicase'"),
        (["search.mating=lexicase"], r'lexicase. with score.kind = "length", expected score.kind = "pareto" with two'),
        (
            ["search.survival=spea2", "score.kind=pareto", 'score.objectives=["loss"]'],
            r"score.objectives = \('loss',\)",
        ),
        (["search.islands=9"], r"search.islands = 9 with search.population = 32, expected at least 4 individuals"),
        (["search.islands=4", "search.migrants=8"], r"search.migrants = 8, expected fewer than the 8 individuals"),
        (['search.rates={"tapz"=1}'], r"search.rates has no operator 'tapz'; did you mean 'taps'"),
        (["workers.device=cuda"], r"workers.gpus_per_worker = 0.0, expected a share of a GPU"),
        (["score.kind=bound", "score.bound=300"], r"compression.bound = 0, expected score.bound = 300"),
    ],
)
def test_sections_must_fit_each_other(tmp_path: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, ""), overrides)


def test_migrants_are_nobody_where_islands_are_apart(tmp_path: Path) -> None:
    apart = load_config(write(tmp_path, ""), ["search.islands=4", "search.migrants=8", "search.migrate_every=0"])
    assert apart.search.migrants == 8


def test_a_stored_configuration_of_another_evonet_can_be_looked_at():
    text = to_toml(RunConfig(search=SearchSettings(population=7))) + "\n[newer]\nkey = 1\n"
    text = text.replace("[search]", "[search]\nsoon = true").replace('"bands"', '"newest"')
    with pytest.raises(ConfigError, match=r"newer|soon"):
        parse_config(text, "stored")
    known = parse_config(text, "stored", known_only=True)
    assert known == RunConfig(search=SearchSettings(population=7, survival="newest"))
    with pytest.raises(ConfigError, match=r"search\.population"):
        parse_config(text.replace("population = 7", 'population = "many"'), "stored", known_only=True)


def test_evaluations_that_ask_for_nothing_have_the_keys_of_before_one_could() -> None:
    of_then = overridden(RunConfig(), ["training.inherited_rate=0.5"])  # the default of then
    encoded = msgspec.msgpack.encode(evaluation_settings(of_then))
    before = "ed2ec2a10c93d22b3e436755395d12a63c030134376110b03abe3278c027d3b2"
    assert hashlib.sha256(encoded).hexdigest() == before
    for asked in ("score.corrupted=0.5", 'score.record=["corrupted"]'):
        settings = evaluation_settings(overridden(RunConfig(), [asked]))
        assert settings.extras == ("corrupted",)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(settings), type=EvaluationSettings) == settings


@pytest.mark.parametrize("wrong", ["corrupted=2.0", 'record=["seconds"]', 'objectives=["choice_loss"]'])
def test_requests_that_nobody_can_answer_are_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=rf"score.*{wrong.split('=')[0]}"):
        overridden(RunConfig(), [f"score.{wrong}"])


def test_evaluations_that_say_nothing_of_saccades_have_the_keys_of_before_there_were_any() -> None:
    silent, looking = (overridden(RunConfig(), o) for o in ([], ["saccades.cost=10.0"]))
    encoded = msgspec.msgpack.encode(evaluation_settings(silent))
    assert "saccades" not in msgspec.msgpack.decode(encoded)
    assert msgspec.msgpack.decode(encoded, type=EvaluationSettings).looking == SaccadeSettings()
    assert evaluation_settings(looking).looking == SaccadeSettings(cost=10)
    assert msgspec.msgpack.encode(evaluation_settings(looking)) != encoded


@pytest.mark.parametrize("wrong", ["estimator=topk", "noise=-1.0", "rho=1.5", "entropy=2.0", "beta=1.0"])
def test_saccade_settings_out_of_range_are_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=rf"saccades.*{wrong.split('=')[0]}"):
        overridden(RunConfig(), [f"saccades.{wrong}"])


@pytest.mark.parametrize("moved", ["shift=2", "rotation=5.0", "scaling=0.1"])
def test_boxes_are_not_taught_of_images_that_were_moved(moved: str) -> None:
    name, value = moved.split("=")
    wrong = rf"--set: training\.{name} = {value} with saccades\.location = 1\.0, expected 0"
    with pytest.raises(ConfigError, match=wrong):
        overridden(RunConfig(), ["saccades.location=1.0", f"training.{moved}"])
    overridden(RunConfig(), [f"training.{moved}"])
    overridden(RunConfig(), ["saccades.location=1.0"])
