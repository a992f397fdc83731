"""Tells what a segmentation dataset holds, in numbers and figures."""
