"""evaluate(job) -> outcome. Import from the modules: `settings` is light, `evaluate` brings torch."""
