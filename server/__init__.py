"""Segment Anything in Remote Sensing Images: the Python package behind the service and the command line."""

__version__ = "0.1.0"
