"""Trains the feature upsampler for a frozen backbone, as SimFeatUp does; see Li et al., SegEarth-OV (CVPR 2025)."""
