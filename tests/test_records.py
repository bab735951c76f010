"""Messages of `evonet.records`: each says where, what was expected, what came."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from evonet.errors import ConfigError, GenomeError
from evonet.records import convert, parse_toml, read_toml


class Inner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    population: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    lr: Annotated[float, msgspec.Meta(gt=0)] = 0.1
    pair: tuple[int, int] = (1, 2)
    rungs: tuple[int, ...] = (1,)
    kind: Literal["ray", "serial"] = "ray"
    count: Annotated[int, msgspec.Meta(ge=1)] | Literal["auto"] = "auto"
    rates: dict[str, float] = {}
    target: float | None = None


class Outer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    search: Inner = Inner()
    parts: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "[search]\npopluation = 1",
            r"x.toml: \[search\] has no key 'popluation'; did you mean 'population'\? Keys: .*lr",
        ),
        ("serch = 1", r"x.toml: the file has no key 'serch'; did you mean 'search'\?"),
        ("[search]\npopulation = 0", r"x.toml: search.population = 0, expected a whole number in 1..64\."),
        ("[search]\npopulation = 2.0", r"search.population = 2.0, expected a whole number"),
        ('[search]\nlr = "fast"', r'search.lr = "fast", expected a number > 0'),
        ("[search]\nlr = true", r"search.lr = true, expected a number"),
        ("[search]\nlr = nan", r"search.lr = nan, expected a finite number"),
        ("[search]\nrates.a = inf", r"search.rates.a = inf, expected a finite number"),
        ("[search]\npair = [1]", r"search.pair = \[1\], expected a list of 2 values"),
        ('[search]\nrungs = [1, "x"]', r'search.rungs\[1\] = "x", expected a whole number'),
        ('[search]\nkind = "rya"', r'search.kind = "rya", expected one of "ray", "serial"'),
        ("[search]\ncount = 0", r'search.count = 0, expected a whole number >= 1 or "auto"'),
        ('[search]\nrates.a = "x"', r'search.rates = {"a": "x"}, expected a table, each value a number'),
        ("search = 3", r"search = 3, expected a table with keys among population, lr"),
        ("[[parts]]\n[[parts]]\nlr = 0", r"parts\[1\].lr = 0, expected a number > 0"),
    ],
)
def test_a_fault_is_named_with_its_path(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        convert(parse_toml(text, "x.toml"), Outer, "x.toml")


def test_a_missing_key_is_named() -> None:
    class Needs(msgspec.Struct):
        seed: int

    with pytest.raises(GenomeError, match="g: the file lacks the key 'seed', expected a whole number"):
        convert({}, Needs, "g", GenomeError)


def test_good_data_are_converted() -> None:
    assert convert(parse_toml("[search]\nlr = 1\npair = [3, 4]", "x"), Outer, "x") == Outer(
        search=Inner(lr=1.0, pair=(3, 4))
    )


def test_what_is_not_toml_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("[search\n")
    with pytest.raises(ConfigError, match=r"x.toml: not valid TOML: .*line 1"):
        read_toml(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"x.toml: byte 0 is not UTF-8"):
        read_toml(file)
    with pytest.raises(ConfigError, match=r"gone.toml: cannot be read \(No such file or directory\)"):
        read_toml(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        read_toml(tmp_path)
