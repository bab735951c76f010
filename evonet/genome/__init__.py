"""What is inherited: genes, their canonical code and TOML, founders, variation. No torch, no ray, no deap."""

from evonet.genome.genes import Genome, MotifGene, ReadoutGene, SaccadeGene, SheetGene

__all__ = ["Genome", "MotifGene", "ReadoutGene", "SaccadeGene", "SheetGene"]
