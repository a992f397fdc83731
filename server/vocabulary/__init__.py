"""Open-vocabulary segmentation: classes named in words or shown by examples become a class map, without training."""
