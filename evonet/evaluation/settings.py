"""All that an evaluation depends on beside its job and the data."""

import msgspec

from evonet.compression.settings import CompressionSettings
from evonet.job import Extra
from evonet.timing import CostTable
from evonet.training.settings import BudgetSettings, SaccadeSettings, TrainingSettings

VERSION = 4  # of what an evaluation computes: part of every evaluation key


class EvaluationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    training: TrainingSettings = TrainingSettings()
    compression: CompressionSettings = CompressionSettings()
    budget: BudgetSettings = BudgetSettings()
    costs: CostTable = CostTable()  # which lowering computes a stage, and so the order of its sums
    top_rung: int = 1  # from here on, and in finishing, the choice split is measured too
    device: str = "cpu"
    # UNSET stands for the defaults: it is left out of what is encoded, so that evaluations that say nothing of saccades
    # have the keys that they had before there were any.
    saccades: SaccadeSettings | msgspec.UnsetType = msgspec.UNSET
    measures: tuple[Extra, ...] | msgspec.UnsetType = msgspec.UNSET  # measured too, sorted; UNSET: none, as above

    @property
    def looking(self) -> SaccadeSettings:
        """`saccades`, or its defaults."""
        return SaccadeSettings() if isinstance(self.saccades, msgspec.UnsetType) else self.saccades

    @property
    def extras(self) -> tuple[Extra, ...]:
        """`measures`, or none."""
        return () if isinstance(self.measures, msgspec.UnsetType) else self.measures
