"""A trained network as a folder that a PyTorch user can take away: weights, readable code, card, masks."""

from evonet.export.bundle import DEFAULT, FORMATS, Exported, export
from evonet.export.masks import save_masks

__all__ = ["DEFAULT", "FORMATS", "Exported", "export", "save_masks"]
