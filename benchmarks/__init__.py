"""Measurements, never tests: each module prints its figures and, with --json, one JSON object as its last line."""
