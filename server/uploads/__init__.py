"""Uploaded files on their way from a staging folder to their place: where clients and rasters meet."""
