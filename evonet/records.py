"""TOML to typed records, with messages that a person can act on: file, path, what was expected, what came."""

import difflib
import math
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from evonet.errors import ConfigError, EvonetError

T = TypeVar("T")
_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>\$[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"^Object (?P<kind>contains unknown|missing required) field `(?P<name>.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def read_toml(path: Path, error: type[EvonetError] = ConfigError) -> dict[str, Any]:
    """The table in the file at `path`; raises `error` where it cannot be read or is not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as e:
        raise error(f"{path}: cannot be read ({e.strerror or e}). Check the path.") from e
    except UnicodeDecodeError as e:
        raise error(f"{path}: byte {e.start} is not UTF-8, and TOML is. Is this the right file?") from e
    return parse_toml(text, str(path), error)


def parse_toml(text: str, where: str, error: type[EvonetError] = ConfigError) -> dict[str, Any]:
    """The table that `text` is; `where` names its origin in messages."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise error(f"{where}: not valid TOML: {e}.") from e


def convert(data: object, type_: type[T], where: str, error: type[EvonetError] = ConfigError) -> T:
    """`data` as a `type_`, strictly: no text becomes a number. Raises `error` with the path of the first fault."""
    for path, number in _floats(data, ""):
        if not math.isfinite(number):
            raise error(f"{where}: {path} = {number}, expected a finite number.")
    try:
        return msgspec.convert(data, type_, strict=True)
    except msgspec.ValidationError as e:
        raise error(f"{where}: {_explain(str(e), data, type_)}") from e


def _floats(data: object, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(data, float):
        yield path, data
    elif isinstance(data, dict):
        for name, value in data.items():
            yield from _floats(value, f"{path}.{name}" if path else str(name))
    elif isinstance(data, (list, tuple)):
        for i, value in enumerate(data):
            yield from _floats(value, f"{path}[{i}]")


def _explain(message: str, data: object, type_: type) -> str:
    """One line for msgspec's message: the value and its expected type are looked up at the path that it names."""
    match = _AT.match(message)
    what, path = (match["what"], match["path"] or "$") if match else (message, "$")
    # A table with free keys ends the path: msgspec writes `[...]` for them and does not say which key it was.
    path = path.partition("[...]")[0]
    kind: inspect.Type | None = inspect.type_info(type_)
    came, known = data, True
    for name, index in _STEP.findall(path):
        kind = _step_type(kind, name, index)
        came, known = _step_value(came, name, index, known)
    path = path[1:].lstrip(".")
    if field := _FIELD.match(what):
        return _explain_field(field["kind"] == "missing required", field["name"], path, kind)
    if what.startswith(("Expected", "Invalid enum value")):
        shown = f"{path or 'the whole'} = {_show(came)}" if known else f"{path}: {what}"
        return f"{shown}, expected {describe(kind)}."
    return f"{path}: {what}" if path else what


def _explain_field(missing: bool, name: str, path: str, kind: inspect.Type | None) -> str:
    section = f"[{path}]" if path else "the file"
    keys = [f.encode_name for f in kind.fields] if isinstance(kind, inspect.StructType) else []
    if missing:
        wanted = next((f.type for f in getattr(kind, "fields", ()) if f.encode_name == name), None)
        return f"{section} lacks the key '{name}', expected {describe(wanted)}."
    near = difflib.get_close_matches(name, keys, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return f"{section} has no key '{name}'{hint} Keys: {', '.join(keys) or 'none'}."


def _step_type(kind: inspect.Type | None, name: str, index: str) -> inspect.Type | None:
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.UnionType):
        return next((t for t in (_step_type(k, name, index) for k in kind.types) if t is not None), None)
    if name and isinstance(kind, inspect.StructType):
        return next((f.type for f in kind.fields if f.encode_name == name), None)
    if isinstance(kind, inspect.DictType):
        return kind.value_type
    if index and isinstance(kind, inspect.TupleType):
        return kind.item_types[int(index)] if int(index) < len(kind.item_types) else None
    if index and isinstance(kind, (inspect.VarTupleType, inspect.ListType)):
        return kind.item_type
    return None


def _step_value(value: object, name: str, index: str, known: bool) -> tuple[object, bool]:
    if known and name and isinstance(value, dict) and name in value:
        return value[name], True
    if known and index and isinstance(value, (list, tuple)) and int(index) < len(value):
        return value[int(index)], True
    return None, False


def _show(value: object) -> str:
    """As it would stand in TOML, cut to what fits a line."""
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value).replace("'", '"')
    return text if len(text) <= 60 else text[:57] + "..."


def describe(kind: inspect.Type | None) -> str:
    """A type in words: "a whole number in 1..64", 'one of "ray", "serial"'."""
    match kind:
        case inspect.Metadata():
            return describe(kind.type)
        case inspect.IntType():
            return "a whole number" + _bounds(kind)
        case inspect.FloatType():
            return "a number" + _bounds(kind)
        case inspect.StrType():
            return "a text in quotes"
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType():
            options = ", ".join(_show(v) for v in kind.values)
            return options if len(kind.values) == 1 else f"one of {options}"
        case inspect.TupleType():
            return f"a list of {len(kind.item_types)} values ({', '.join(describe(t) for t in kind.item_types)})"
        case inspect.VarTupleType() | inspect.ListType():
            return f"a list, each {describe(kind.item_type)}"
        case inspect.UnionType():
            return " or ".join(describe(t) for t in kind.types if not isinstance(t, inspect.NoneType))
        case inspect.DictType():
            return f"a table, each value {describe(kind.value_type)}"
        case inspect.StructType():
            return f"a table with keys among {', '.join(f.encode_name for f in kind.fields)}"
        case _:
            return "another value"


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    low, high = kind.ge, kind.le
    if low is not None and high is not None:
        return f" in {low}..{high}"
    parts = [
        f"{sign} {limit}"
        for sign, limit in ((">=", low), (">", kind.gt), ("<=", high), ("<", kind.lt))
        if limit is not None
    ]
    return " " + " and ".join(parts) if parts else ""
