"""The embedded checkpoint's network: small, promptable, with the three parts and call signatures of SAM."""

from server.segmentation.networks.embedded.model import EmbeddedSam, build_embedded_sam
from server.segmentation.networks.embedded.weights import load_embedded_sam, load_fitting_weights, save_embedded_sam

__all__ = ["EmbeddedSam", "build_embedded_sam", "load_embedded_sam", "load_fitting_weights", "save_embedded_sam"]
