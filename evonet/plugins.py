"""Functions of the user's, named "module:function" where a configuration says so; the one place that imports them.

A plug-in is called by the driver and must be pure: its answer depends on its arguments alone, random draws come from
the stream it is given. Otherwise a run cannot be resumed, which `resume` finds out and says.
"""

import difflib
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any

from evonet.errors import ConfigError

Function = Callable[..., Any]


def is_plugin(name: str) -> bool:
    return ":" in name


def near(name: str, known: Iterable[str]) -> str:
    """ "did you mean 'taps'? ", or nothing if no known name is near."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean '{found[0]}'? " if found else ""


@cache
def load(name: str, key: str) -> Function:
    """The function called `name`; `key` says in messages where the configuration asks for it.

    Raises ConfigError where it cannot be had.
    """
    at = f'{key} = "{name}"'
    module_name, _, function_name = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), function_name)):
        raise ConfigError(f'{at}, expected "module:function", for example "mypackage.selection:diverse".')
    try:
        module = import_module(module_name)
    except Exception as e:  # whatever the user's module does while it is imported
        raise ConfigError(
            f"{at}: importing {module_name} failed with {type(e).__name__}: {e}. It must be on the Python path: "
            "install it, or put its folder into PYTHONPATH."
        ) from e
    function = getattr(module, function_name, None)
    if not callable(function):
        missing = f"has no such name; {near(function_name, vars(module))}Expected"
        came = missing if function is None else f"has {type(function).__name__} {str(function)[:40]} there, expected"
        raise ConfigError(f"{at}: {module_name} {came} a function.")
    return function  # type: ignore[no-any-return]


def call(name: str, key: str, *arguments: object) -> Any:
    """What the plug-in `name` answers. Raises ConfigError, naming it, if it raises."""
    try:
        return load(name, key)(*arguments)
    except ConfigError:
        raise
    except Exception as e:
        raise ConfigError(f'{key} = "{name}" failed with {type(e).__name__}: {e}. Mend the plug-in and resume.') from e
