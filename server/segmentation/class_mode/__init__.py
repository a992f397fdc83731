"""The class mode: a fine-tuned network segments a whole raster for its class, without any prompt."""
