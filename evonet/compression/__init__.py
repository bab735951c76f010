"""Weights to integer codes and back. Import from the modules: `settings` is light, the others bring torch."""
