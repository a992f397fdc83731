"""Decodes clicks in two stages, so that the costly second one runs only for masks that can still be kept."""
