"""Networks: checkpoints found, fetched and loaded, and the way from an image and clicks to their outputs."""
