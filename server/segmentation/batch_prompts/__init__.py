"""Answers many prompts on one patch together, each of them an object of its own."""
