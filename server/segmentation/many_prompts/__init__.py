"""Answers thousands of prompts over one raster, each of them an object of its own."""
