"""What a person does to outlines: merge, split, simplify, regularise, smooth, snap; all in pixels of the raster."""
