"""Rasters: open and check, metadata, bands to 8-bit RGB, windows, tiles, side files, label rasters."""
