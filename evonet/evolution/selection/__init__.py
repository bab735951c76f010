"""Who stays and who breeds, by name; the only package that imports DEAP."""

from evonet.evolution.selection.mating import mating
from evonet.evolution.selection.protocols import Mating, Survival
from evonet.evolution.selection.survival import survival

__all__ = ["Mating", "Survival", "mating", "survival"]
