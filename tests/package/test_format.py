"""Packages: round trips, the golden file, refusals, and bytes from anywhere."""

import json
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from package.package_examples import SMALL, cut_expression, filled, packages, small_package

from evonet.errors import PackageError
from evonet.genome import Genome, SheetGene
from evonet.genome.code import encode
from evonet.genome.ids import stamp
from evonet.package import STEPS, Package, Quantised, pack, unpack
from evonet.package.coder import Encoder
from evonet.package.cost import tensors_bits
from evonet.package.parts import (
    CHANNELS_OFF,
    COMMON,
    LIVE_ROW,
    tap_choices,
    write_bits,
    write_expression,
    write_genome,
    write_input,
)
from evonet.package.tensors import write_tensors
from evonet.plan import Expression, expand

GOLDEN = Path(__file__).parent.parent / "golden"


def sealed(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


def golden_package() -> Package:
    plan = expand(SMALL, input=(1, 28, 28), classes=10)
    return small_package(expression=cut_expression(plan))


@settings(deadline=None, max_examples=40)
@given(packages())
def test_round_trip(package: Package) -> None:
    data = pack(package)
    assert unpack(data) == package
    assert pack(unpack(data)) == data


@settings(deadline=None, max_examples=40)
@given(packages())
def test_overhead_is_small(package: Package) -> None:
    """Version, check, input, lengths and the coder's end; the expression is what the package adds to its genome."""
    plan = expand(package.genome, input=package.input, classes=package.classes, expression=package.expression)
    expression = plan.expression
    bits = sum(len(row) for row in (*expression.taps, *expression.channels) if not all(row))
    payload = tensors_bits(plan.tensors, package.tensors) / 8 + len(encode(package.genome)) + 1.3 * bits / 8
    payload += 0 if all(map(all, expression.channels)) else 1
    spelled = 0 if (package.input, package.classes) in COMMON else 6
    assert len(pack(package)) <= payload + 8.5 + spelled


def test_golden_file() -> None:
    """Bytes of format 1 stay readable for ever, and are what is still written. Only a new format adds new files."""
    data = (GOLDEN / "small.evo").read_bytes()
    want = json.loads((GOLDEN / "small.evo.json").read_text())
    package = unpack(data)
    assert encode(package.genome).hex() == want["genome"]
    assert [list(map(int, taps)) for taps in package.expression.taps] == want["expression"]
    assert [q.step for q in package.tensors] == want["steps"]
    assert [q.codes.ravel().tolist() for q in package.tensors] == want["codes"]
    assert pack(golden_package()) == data


def test_ids_are_not_written() -> None:
    package = small_package()
    assert pack(replace(package, genome=stamp(package.genome, 7))) == pack(package)


def test_weights_are_steps_times_codes() -> None:
    q = Quantised(41, np.array([[-127, 0, 3]], dtype=np.int16))
    assert q.weights.dtype == np.float32
    assert q.weights.tolist() == [[float(np.float32(-127) * STEPS[41]), 0.0, float(np.float32(3) * STEPS[41])]]


def test_arrays_are_read_only_and_zeros_lose_their_step() -> None:
    package = small_package()
    zeros = tuple(replace(q, codes=np.zeros_like(q.codes)) for q in package.tensors)
    back = unpack(pack(replace(package, tensors=zeros)))
    assert {q.step for q in back.tensors} == {0}
    assert not any(q.codes.any() for q in back.tensors)
    with pytest.raises(ValueError, match="read-only"):
        back.tensors[0].codes[...] = 1


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda q: Quantised(q.step, q.codes[..., :-1]), r"sheet0.motif0.taps: codes of shape \(6, 1, 8\), expected"),
        (lambda q: Quantised(64, q.codes), "step 64, expected 0..63"),
        (lambda q: Quantised(-1, q.codes), "step -1, expected 0..63"),
        (lambda q: Quantised(3, q.codes * 0 - 128), r"\|code\| up to 128, expected at most 127: use a larger step"),
        (lambda q: Quantised(3, q.codes.astype(np.float32)), "codes are float32, expected integers"),
    ],
)
def test_pack_refuses_what_does_not_fit(change, message: str) -> None:
    package = small_package()
    with pytest.raises(PackageError, match=message):
        pack(replace(package, tensors=(change(package.tensors[0]), *package.tensors[1:])))


def test_pack_refuses_other_misfits() -> None:
    package = small_package()
    with pytest.raises(PackageError, match="expected 9 as in the plan"):
        pack(replace(package, tensors=package.tensors[:-1]))
    with pytest.raises(PackageError, match=r"does not expand: .*expression has 0 channel bits"):
        pack(replace(package, expression=Expression(taps=(), channels=())))
    with pytest.raises(PackageError, match="does not expand: sheets"):
        pack(replace(package, genome=Genome(sheets=(SheetGene(channels=7),))))


def test_every_flip_and_every_truncation_is_damage() -> None:
    data = pack(golden_package())
    for place in range(1, len(data)):
        with pytest.raises(PackageError, match="damaged: its last 4 bytes are"):
            unpack(data[:place])
        for bit in range(8):
            flipped = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
            with pytest.raises(PackageError, match="damaged: its last 4 bytes are"):
                unpack(flipped)
    with pytest.raises(PackageError, match="damaged"):
        unpack(data + b"\0")


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "an empty file; this evonet reads formats 1 and 2"),
        (b"PK\3\4.....", "byte 0 is 0x50, which no evonet wrote; this evonet reads formats 1 and 2"),
        (b"\xe0.......", "byte 0 is 0xe0, which no evonet wrote"),
        (b"\xe3.......", "byte 0 is 0xe3, format 3 of a newer evonet; this evonet reads formats 1 and 2"),
        (b"\xef.......", "format 15 of a newer evonet; this evonet reads formats 1 and 2"),
        (b"\xf0.......", "byte 0 is 0xf0, which no evonet wrote"),
    ],
)
def test_unknown_versions_are_named(data: bytes, message: str) -> None:
    with pytest.raises(PackageError, match=message):
        unpack(data)


def test_hostile_flips_give_a_network_or_a_package_error() -> None:
    body = pack(golden_package())[:-4]
    refused = 0
    for place in range(1, len(body)):
        for bit in range(place % 3, 8, 3):
            data = sealed(body[:place] + bytes([body[place] ^ 1 << bit]) + body[place + 1 :])
            try:
                assert pack(unpack(data)) == data
            except PackageError:
                refused += 1
    assert refused > 0


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60))
def test_hostile_bytes_give_a_network_or_a_package_error(body: bytes) -> None:
    data = sealed(b"\xe1" + body)
    try:
        assert pack(unpack(data)) == data
    except PackageError as refusal:
        message = str(refusal)
    else:
        return
    assert message.startswith("package: ")
    assert "\n" not in message


def test_only_the_canonical_bytes_are_taken() -> None:
    data = pack(golden_package())
    for extra in (b"\0", b"\1", b"\xff"):
        with pytest.raises(PackageError, match="are not the ones evonet writes for their network"):
            unpack(sealed(data[:-4] + extra))


def test_channel_bits_that_are_all_on_are_not_canonical() -> None:
    package = small_package()
    plan = expand(SMALL, input=(1, 28, 28), classes=10)
    encoder = Encoder()
    write_input(encoder, (1, 28, 28), 10)
    write_genome(encoder, SMALL)
    encoder.bit(True, *CHANNELS_OFF)
    encoder.bit(True, *LIVE_ROW)  # of the one sheet that may be cut
    write_bits(encoder, plan.expression.taps, tap_choices(plan))
    write_tensors(encoder, package.tensors, plan)
    with pytest.raises(PackageError, match="are not the ones evonet writes for their network"):
        unpack(sealed(b"\xe1" + encoder.finish()))


def test_a_channel_that_is_off_costs_nothing_more() -> None:
    plan = expand(SMALL, input=(1, 28, 28), classes=10)
    assert [sheet.cuttable for sheet in plan.sheets] == [True, False]
    channels = ((True, False, True, True, False, True), plan.sheets[1].alive)
    package = small_package(expression=msgspec.structs.replace(plan.expression, channels=channels))
    data = pack(package)
    assert unpack(data) == package
    assert len(data) < 0.95 * len(pack(small_package()))
    refused = (channels[0], (False, *plan.sheets[1].alive[1:]))
    with pytest.raises(PackageError, match="expression switches channels off that other genes depend on"):
        pack(replace(package, expression=msgspec.structs.replace(plan.expression, channels=refused)))


def test_heads_that_promise_too_much_are_refused() -> None:
    encoder = Encoder()
    encoder.uniform(len(COMMON), len(COMMON) + 1)
    encoder.uniform(0, 2**25)
    encoder.uniform(1, 2)
    with pytest.raises(PackageError, match="more than 24 bits in its head"):
        unpack(sealed(b"\xe1" + encoder.finish()))
    encoder = Encoder()
    write_input(encoder, (1, 28, 28), 10)
    for bit in [0] * 20 + [1] + [0] * 20:
        encoder.uniform(bit, 2)
    with pytest.raises(PackageError, match=r"a genome of 8388600 bytes, expected at most 4096"):
        unpack(sealed(b"\xe1" + encoder.finish()))


@pytest.mark.parametrize(
    "sheets, code, message",
    [
        (11, 1, r"36,\d{3} weights, expected at most 32,768 in version 1"),
        (4, 16, r"its codes ask \d{3},\d{3} questions, expected at most 131,072"),
    ],
)
def test_version_1_has_room_for_what_is_read_in_a_second(sheets: int, code: int, message: str) -> None:
    """What is beyond is written in version 2, and refused where version 1 is asked for, or a file of it holds it."""
    genome = Genome(sheets=(SheetGene(channels=20),) * sheets)
    plan = expand(genome, input=(1, 4, 4), classes=10)
    package = filled(plan, genome, lambda k: (40, np.full(plan.tensors[k].size, code)))
    with pytest.raises(PackageError, match=message + ": pack it as version 2"):
        pack(package, version=1)
    encoder = Encoder()
    write_input(encoder, plan.input, plan.classes)
    write_genome(encoder, genome)
    write_expression(encoder, plan)
    write_tensors(encoder, package.tensors, plan)
    with pytest.raises(PackageError, match=r"at most 32,768 in version 1|more than 131,072 questions"):
        unpack(sealed(b"\xe1" + encoder.finish()))
    assert pack(package)[0] == 0xE2
