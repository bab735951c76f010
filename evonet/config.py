"""A run's configuration: TOML -> one frozen, validated RunConfig. Layers own their settings; here they are assembled.

What is loaded is complete: paths are absolute, seed genomes are carried as canonical code, defaults are filled in.
`to_toml` writes that form, the run stores it, and `resume` needs no other file. Nothing heavy is imported here.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import tomli_w
from msgspec import Meta

from evonet import records
from evonet.compression.settings import CompressionSettings
from evonet.errors import ConfigError, GenomeError
from evonet.evolution.checks import check_search, import_plugins
from evonet.evolution.settings import ScoreSettings, SearchSettings
from evonet.genome.check import check
from evonet.genome.code import decode, encode
from evonet.genome.genes import Genome
from evonet.genome.limits import Limits
from evonet.genome.text import load
from evonet.timing import CostTable
from evonet.training.settings import BudgetSettings, SaccadeSettings, TrainingSettings
from evonet.workers.base import WorkersSettings

CODE = "code:"  # prefix of a seed genome that is given as canonical code in hex instead of a path
_PATH_SPECS = ("npz", "idx", "folder")  # data specs whose rest is a path


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the sections that belong to no other layer."""


class RunSettings(Section, frozen=True, kw_only=True):
    """Section [run]."""

    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 1


class DataSettings(Section, frozen=True, kw_only=True):
    """Section [data]: which images, and the folder that holds them ("" = EVONET_DATA, or none needed)."""

    spec: Annotated[str, Meta(min_length=1)] = "digits"
    dir: str = ""


class RunConfig(Section, frozen=True, kw_only=True):
    """All that a run is defined by."""

    run: RunSettings = RunSettings()
    data: DataSettings = DataSettings()
    genes: Limits = Limits()
    search: SearchSettings = SearchSettings()
    score: ScoreSettings = ScoreSettings()
    training: TrainingSettings = TrainingSettings()
    saccades: SaccadeSettings = SaccadeSettings()
    compression: CompressionSettings = CompressionSettings()
    budget: BudgetSettings = BudgetSettings()
    costs: CostTable = CostTable()
    workers: WorkersSettings = WorkersSettings()


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration in the file at `path`, with `overrides` such as "search.population=64" laid over it.

    Relative paths mean from the file's folder, in overrides from the current one.

    Raises:
        ConfigError: the file or an override is not valid, or a plug-in cannot be imported; the message names file,
            key, expectation and value.
        GenomeError: a seed genome is missing or not valid.
    """
    raw = _absolute(records.read_toml(path), path.resolve().parent)
    for override in overrides:
        _merge(raw, _absolute(_parse_override(override), Path.cwd()))
    config = _checked(_with_codes(records.convert(raw, RunConfig, str(path))), str(path))
    try:
        import_plugins(config.search)
    except ConfigError as e:
        raise ConfigError(f"{path}: {e}") from e
    return config


def overridden(config: RunConfig, overrides: Sequence[str]) -> RunConfig:
    """`config` with overrides laid over it, as in `load_config`; relative paths mean from the current folder."""
    raw = tomllib.loads(to_toml(config))
    for override in overrides:
        _merge(raw, _absolute(_parse_override(override), Path.cwd()))
    return _checked(_with_codes(records.convert(raw, RunConfig, "--set")), "--set")


def parse_config(text: str, where: str, *, known_only: bool = False) -> RunConfig:
    """The configuration that `to_toml` wrote; `where` names its origin in messages.

    `known_only`: leave out keys that this evonet does not know, and let names and sections that do not fit pass, so
    that runs of others can be looked at.
    """
    raw = records.parse_toml(text, where)
    if known_only:
        return records.convert(_known(raw, RunConfig), RunConfig, where)
    return _checked(records.convert(raw, RunConfig, where), where)


def _known(raw: dict[str, Any], kind: Any) -> dict[str, Any]:
    kinds = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    known = {key: value for key, value in raw.items() if key in kinds}
    sections = {
        key for key, value in known.items() if isinstance(value, dict) and issubclass(kinds[key], msgspec.Struct)
    }
    return {key: _known(value, kinds[key]) if key in sections else value for key, value in known.items()}


def to_toml(config: RunConfig) -> str:
    """`config` in full, defaults included; a key whose value is None is left out, since TOML has no null."""
    return tomli_w.dumps(_without_none(msgspec.to_builtins(config)))


def seed_genomes(config: RunConfig, where: str = "configuration") -> tuple[Genome, ...]:
    """The genomes that the search starts from. Raises GenomeError, with the place of the first bad one."""
    return tuple(_seed_genome(g, f"{where}: search.genomes[{i}]") for i, g in enumerate(config.search.genomes))


def _seed_genome(code: str, place: str) -> Genome:
    try:
        genome = decode(bytes.fromhex(code.removeprefix(CODE)))
        check(genome)
    except ValueError:
        raise GenomeError(f'{place} = "{code}", expected {CODE} and pairs of hex digits.') from None
    except GenomeError as e:
        raise GenomeError(f"{place}: {e}") from None
    return genome


def _parse_override(text: str) -> dict[str, Any]:
    """a.b=1 as {"a": {"b": 1}}; a value that is not TOML is a text, so that `data.spec=mnist` needs no quotes."""
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {text}: expected section.key=value, for example --set search.population=64.")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        parsed = {"value": value.strip()}
    tree: Any = parsed["value"] if len(parsed) == 1 else value
    for part in reversed(parts):
        tree = {part: tree}
    return dict(tree)


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value


def _absolute(raw: dict[str, Any], base: Path) -> dict[str, Any]:
    """`raw` with its three kinds of path made absolute; what has a wrong type is left for `convert` to refuse."""
    data, search = raw.get("data"), raw.get("search")
    if isinstance(data, dict):
        if isinstance(data.get("dir"), str) and data["dir"]:
            data["dir"] = str((base / Path(data["dir"]).expanduser()).resolve())
        kind, colon, path = str(data.get("spec", "")).partition(":")
        if colon and kind in _PATH_SPECS:
            data["spec"] = f"{kind}:{(base / Path(path).expanduser()).resolve()}"
    if isinstance(search, dict) and isinstance(search.get("genomes"), list):
        search["genomes"] = [
            str((base / g).resolve()) if isinstance(g, str) and not g.startswith(CODE) else g for g in search["genomes"]
        ]
    return raw


def _with_codes(config: RunConfig) -> RunConfig:
    """Seed genomes as canonical code: a stored run must not change when a genome file does."""
    codes = tuple(g if g.startswith(CODE) else CODE + encode(load(Path(g))).hex() for g in config.search.genomes)
    return msgspec.structs.replace(config, search=msgspec.structs.replace(config.search, genomes=codes))


def _checked(config: RunConfig, where: str) -> RunConfig:
    """`config`, if its sections fit each other."""
    workers, score = config.workers, config.score
    seed_genomes(config, where)
    try:
        check_search(config.search, score)
    except ConfigError as e:
        raise ConfigError(f"{where}: {e}") from None
    if workers.device.startswith("cuda") and workers.kind != "serial" and workers.gpus_per_worker == 0:
        raise ConfigError(
            f'{where}: workers.device = "{workers.device}" with workers.gpus_per_worker = 0.0, expected a share '
            "of a GPU above 0. Set gpus_per_worker (0.25 puts four workers on one)."
        )
    if score.kind == "bound" and config.compression.bound != score.bound:
        raise ConfigError(
            f"{where}: compression.bound = {config.compression.bound}, expected score.bound = {score.bound} since "
            'score.kind = "bound": compression must aim at the size that selection rewards. Set both.'
        )
    moves = {name: getattr(config.training, name) for name in ("shift", "rotation", "scaling")}
    moved = next((name for name, most in moves.items() if most), None)
    if config.saccades.location and moved is not None:
        raise ConfigError(
            f"{where}: training.{moved} = {moves[moved]} with saccades.location = {config.saccades.location}, expected "
            "0: boxes are of the images as they are, and do not move with them. Set one of them to 0."
        )
    return config


def _without_none(data: Any) -> Any:
    if isinstance(data, dict):
        return {k: _without_none(v) for k, v in data.items() if v is not None}
    if isinstance(data, (list, tuple)):
        return [_without_none(v) for v in data]
    return data
