"""The three parts together, under the names `SamPredictor` and `SamAutomaticMaskGenerator` use."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from server.segmentation.networks.embedded.image_encoder import ImageEncoder
from server.segmentation.networks.embedded.mask_decoder import MaskDecoder
from server.segmentation.networks.embedded.prompt_encoder import PromptEncoder

INPUT_SIZE = 512
# ImageNet's mean and deviation, as SAM uses them.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


class EmbeddedSam(nn.Module):
    """A promptable network with the interface of `segment_anything.modeling.Sam`."""

    mask_threshold: float = 0.0
    image_format: str = "RGB"
    pixel_mean: torch.Tensor
    pixel_std: torch.Tensor

    def __init__(self, input_size: int = INPUT_SIZE) -> None:
        """Make a network with random weights; `input_size` is a multiple of 32 and changes no weight's shape."""
        super().__init__()
        self.image_encoder = ImageEncoder(input_size)
        self.prompt_encoder = PromptEncoder(input_size)
        self.mask_decoder = MaskDecoder()
        self.register_buffer("pixel_mean", torch.tensor(PIXEL_MEAN).view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(PIXEL_STD).view(-1, 1, 1), persistent=False)

    def set_input_size(self, input_size: int) -> None:
        """Work on square inputs of another side, a multiple of 32; the weights fit every size."""
        self.image_encoder.img_size = input_size
        self.prompt_encoder.input_size = input_size

    def set_calibration(self, logit_gain: float, quality_shift: float) -> None:
        """Adjust what comes out after training; see `MaskDecoder` for the meaning."""
        for part in (self.mask_decoder, self.prompt_encoder):
            part.logit_gain.fill_(logit_gain)
        self.mask_decoder.quality_shift.fill_(quality_shift)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.pixel_mean.device

    def preprocess(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise RGB values 0..255, (B, 3, H, W), and pad them right and below to the square input."""
        x = (x - self.pixel_mean) / self.pixel_std
        side = self.image_encoder.img_size
        return functional.pad(x, (0, side - x.shape[-1], 0, side - x.shape[-2]))

    def postprocess_masks(
        self, masks: torch.Tensor, input_size: tuple[int, int], original_size: tuple[int, int]
    ) -> torch.Tensor:
        """Undo `preprocess` and the resizing before it.

        Args:
            masks: logits (B, N, S/2, S/2).
            input_size: height and width of the resized image, without padding.
            original_size: height and width of the image as it was given.

        Returns:
            Logits (B, N, *original_size).
        """
        side = self.image_encoder.img_size
        masks = functional.interpolate(masks, (side, side), mode="bilinear", align_corners=False)
        masks = masks[..., : input_size[0], : input_size[1]]
        if tuple(masks.shape[-2:]) == tuple(original_size):  # most windows: nothing is left to be done
            return masks
        return functional.interpolate(masks, original_size, mode="bilinear", align_corners=False)


def build_embedded_sam(input_size: int = INPUT_SIZE) -> EmbeddedSam:
    """Return a network with random weights; training uses a smaller input than the 512 pixels of inference."""
    return EmbeddedSam(input_size)
