"""Measurements behind `docs/benchmarks.md`, each with the command that reproduces it. Never part of the tests."""
