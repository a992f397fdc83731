"""Rasters of any size: looked at window by window, merged, painted and written."""
