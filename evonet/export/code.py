"""The lines and tensors of a written module, as they are collected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evonet.plan import Stage

Array = NDArray[np.float32]


@dataclass
class Code:
    """`declarations` are lines of `__init__`, `body` of `forward`; `helpers` is source to put before the class."""

    declarations: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)  # source of others than `forward`
    helpers: dict[str, None] = field(default_factory=dict)  # a set that keeps its order
    tensors: dict[str, NDArray[Any]] = field(default_factory=dict)  # the state dict

    def declare(self, name: str, value: Array, *, note: str = "", fixed: bool = False) -> None:
        """A parameter, or a buffer if it is `fixed`; once, however many times it is used."""
        if name in self.tensors:
            return
        self.tensors[name] = np.array(value, dtype=np.float32, order="C")  # a copy: the caller's stay as they are
        zeros = f"torch.zeros({', '.join(map(str, value.shape))})"
        line = f'self.register_buffer("{name}", {zeros})' if fixed else f"self.{name} = nn.Parameter({zeros})"
        self.declarations.append(f"{line}  # {note}" if note else line)

    def apart(self) -> Code:
        """The same class, with a body of its own to be written."""
        return replace(self, body=[])

    def method(self, signature: str, about: str, lines: Sequence[str]) -> None:
        body = "\n".join(f"        {line}" for line in lines)
        self.methods.append(f'\n    def {signature}:\n        """{about}"""\n{body}\n')


class Stages(Protocol):
    """A form in which stages are written."""

    def terms(self, stage: Stage, x: str) -> list[str]:
        """The stage applied to the variable `x`, as expressions to be summed; what they need is declared."""


def read(stage: Stage, x: str) -> str:
    """Channel `reads[o]` of `x` for every target channel o, where a stage reads one channel each."""
    inputs, out = stage.source[0], stage.target[0]
    if not stage.reads or stage.reads == tuple(range(inputs)):
        return x
    if stage.reads == tuple(range(out)):
        return f"{x}[:, :{out}]"
    if stage.reads == tuple(o % inputs for o in range(out)):
        return f"{x}.repeat(1, {-(-out // inputs)}, 1, 1)[:, :{out}]"
    return f"{x}[:, {list(stage.reads)}]"


def resolved(stage: Stage, weight: Array) -> Array:
    """The weight with an axis of tiles in front and symmetries written out: (tiles, out, inputs, taps)."""
    tiles, n = stage.tiles[0] * stage.tiles[1], len(stage.tying.taps) if stage.tying else 1
    weight = weight.reshape(tiles, -(-stage.target[0] // n), stage.inputs, len(stage.own_taps))
    if stage.tying is None:
        return weight
    out = np.arange(stage.target[0])
    places, signs = np.array(stage.tying.taps)[out % n], np.array(stage.tying.signs)[out % n]
    kernel = weight[:, (out // n)[:, None], :, places].transpose(2, 0, 3, 1)  # numpy puts the indexed axes first
    plain: Array = (kernel * np.where(places >= 0, signs, 0)[None, :, None, :]).astype(np.float32)
    return plain
