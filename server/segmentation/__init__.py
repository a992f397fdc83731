"""Networks, checkpoints and the way from a raster to labelled objects; nothing here imports torch until it is used."""
