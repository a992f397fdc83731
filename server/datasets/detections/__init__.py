"""Reads what detectors are trained with, boxes and points of objects in any of the usual formats, into one record."""
