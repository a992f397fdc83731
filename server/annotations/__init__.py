"""The annotation layer of each raster: objects people keep, their classes, and every step back and forth."""
