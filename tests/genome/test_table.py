import msgspec
import pytest

from evonet.genome import MotifGene, ReadoutGene, SaccadeGene, SheetGene
from evonet.genome.table import MOTIF, READOUT, SACCADE, SHEET, Field, grouped

RECORDS = [(SHEET, SheetGene()), (MOTIF, MotifGene()), (READOUT, ReadoutGene()), (SACCADE, SaccadeGene())]
FIELDS = [field for fields, _ in RECORDS for field in fields]


@pytest.mark.parametrize("fields, gene", RECORDS)
def test_the_table_holds_every_field_of_the_record_with_its_default(fields, gene):
    own = {f.name: f.default for f in msgspec.structs.fields(gene)}
    own.pop("id", None), own.pop("motifs", None)
    assert {f.name: f.default for f in fields} == own


@pytest.mark.parametrize("field", FIELDS, ids=lambda f: f.name)
def test_defaults_are_in_range(field: Field):
    numbers = (field.default,) if field.form == "one" else field.default
    assert all(n in field.values for n in numbers)


@pytest.mark.parametrize("field", FIELDS, ids=lambda f: f.name)
def test_bits_hold_every_coded_value_and_no_bit_more(field: Field):
    assert (1 << field.bits) >= len(field.coded)
    assert field.bits == 0 or (1 << (field.bits - 1)) < len(field.coded)


@pytest.mark.parametrize("fields, gene", RECORDS)
def test_groups_keep_the_order_of_fields(fields, gene):
    assert [f for group in grouped(fields) for f in group] == list(fields)
