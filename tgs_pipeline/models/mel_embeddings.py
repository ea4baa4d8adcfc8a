"""Patch embeddings of CLIP's vision tower for pictures that are not square, such as spectrograms (LanguageBind).

Tensors have the names that they have in CLIP. Shapes: B batch, C channels, H x W pixels, h x w patches, D width.
"""

import torch
from torch import Tensor, nn


class MelEmbeddings(nn.Module):
    """A class token, then the patches row by row, each with its learned position."""

    def __init__(self, *, width: int, num_channels: int, patch_px: int, grid: tuple[int, int]) -> None:
        """grid: (h, w), rows and columns of patches."""
        super().__init__()
        self.patch_px, self.grid = patch_px, grid
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.patch_embedding = nn.Conv2d(num_channels, width, kernel_size=patch_px, stride=patch_px, bias=False)
        self.position_embedding = nn.Embedding(grid[0] * grid[1] + 1, width)

    def forward(self, pixels_BCHW: Tensor, *, interpolate_pos_encoding: bool = False) -> Tensor:
        """Embeddings (B, 1 + h * w, D). Pixels beyond the last whole patch are left out, as a convolution does.

        interpolate_pos_encoding: what CLIP's tower passes on; positions are never interpolated here. ValueError where
        the picture has another grid.
        """
        grid = (pixels_BCHW.shape[2] // self.patch_px, pixels_BCHW.shape[3] // self.patch_px)
        if grid != self.grid or interpolate_pos_encoding:
            raise ValueError(f"a picture of {grid[0]} x {grid[1]} patches, expected {self.grid[0]} x {self.grid[1]}")
        patches_BLD = self.patch_embedding(pixels_BCHW).flatten(2).transpose(1, 2)
        class_B1D = self.class_embedding.expand(len(patches_BLD), 1, -1)
        return torch.cat([class_B1D, patches_BLD], dim=1) + self.position_embedding.weight
