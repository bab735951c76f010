"""The `.evo` bytes: one file holds a whole network, and its length is the size that is scored."""

from evonet.package.format import pack, unpack
from evonet.package.types import STEPS, Book, Coded, Half, Package, Quantised, Transformed

__all__ = ["STEPS", "Book", "Coded", "Half", "Package", "Quantised", "Transformed", "pack", "unpack"]
