"""Finds objects that look like a few examples, among those that automatic segmentation has outlined."""
