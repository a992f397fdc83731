"""From clicks and boxes on a raster to ranked masks with their outlines."""
