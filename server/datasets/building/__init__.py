"""Builds segmentation datasets from boxes: every detection becomes a prompt, every mask has to pass a gate."""
