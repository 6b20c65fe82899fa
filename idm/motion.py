"""Motion made explicit: where each patch of a picture went in the next one.

A small network learns turning and walking from stacked frames only slowly; given the correlation of neighbouring
frames it learns them in minutes. This front end has no parameters and runs on the fly, behind any augmentation.

N frames, H rows, W columns, P patches along an axis, S shifts, L bands

    grey ► subtract the local mean, divide by the local deviation ► cut into patches of 14 x 8 pixels
         ► correlate each with the next frame at every shift within reach, along its row (and transposed: its column)

One matrix product a band gives the correlation of its patches with every position of the band in the next frame; a
strided view then lines up equal shifts. Nothing is ever compared at full pixel-to-pixel resolution.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import MotionConfig

BOX = 9  # pixels: side of the neighbourhood that local contrast is measured over; 8 + 1, see box_sum
NOISE_VARIANCE = 15.0  # grey levels squared: flat walls stay flat instead of showing compression noise
CORRELATION_SCALE = 3.0  # brings the correlations of moving pictures (mostly within ±0.3) near unit variance
PEAK_SCALE = 8.0  # pixels: a moderate turn; brings peak positions to the order of one
PROFILE_SHARPNESS = 30.0  # of the softmax over shifts: a peak of 0.1 above the rest takes most of it


class Motion(NamedTuple):
    """What moved between each frame and the next."""

    across: Tensor
    """float32 or bfloat16 [N, L, P, S]: patch p of horizontal band l with what is s - S//2 pixels to its right next."""
    along: Tensor
    """float [N, L', P', S']: the same down the columns; bands are vertical, shifts go down."""
    peaks: Tensor
    """float [N, M]: positions (in units of 8 pixels) and sharpness of the correlation peaks, and the whole picture's
    correlation by shift, as a softmax."""


class MotionFrontEnd(nn.Module):
    """Grey frames to `Motion`.

    Args:
        config: sizes of patches and reach of shifts.
        image: height and width of the frames in pixels.
    """

    box_share: Tensor

    def __init__(self, config: MotionConfig, image: tuple[int, int]):
        super().__init__()
        self.config = config
        height, width = image
        self.bands_across, self.patches_across = height // config.band, width // config.patch
        self.bands_along, self.patches_along = width // config.band_along, height // config.patch
        self.shifts_across = 2 * config.reach_across + 1
        self.shifts_along = 2 * config.reach_along + 1
        self.register_buffer("box_share", torch.empty(1, height, width), persistent=False)
        self.reset_constants()

    def reset_constants(self) -> None:
        """Compute what is not stored."""
        self.box_share.copy_(1.0 / box_sum(torch.ones_like(self.box_share)))

    @property
    def num_peaks(self) -> int:
        """M: along both axes position and sharpness a band and overall, the median over patches, and the profile."""
        return 2 * (self.bands_across + 1) + 2 * (self.bands_along + 1) + 2 + self.shifts_across + self.shifts_along

    @property
    def across_shape(self) -> tuple[int, int, int]:
        """L, P, S."""
        return self.bands_across, self.patches_across, self.shifts_across

    @property
    def along_shape(self) -> tuple[int, int, int]:
        """L', P', S'."""
        return self.bands_along, self.patches_along, self.shifts_along

    @torch.no_grad()
    def forward(self, grey: Tensor, *, dtype: torch.dtype = torch.float32) -> Motion:
        """
        Args:
            grey: [N + 1, H, W], 0..255: consecutive frames of one clip.
            dtype: of the matrix products; bfloat16 halves the time where the machine has it.

        Returns the motion from each of the first N frames to its successor. A black (absent) frame correlates with
        nothing: all zeros.
        """
        config = self.config
        frames = self.normalise(grey, dtype)
        now, then = frames[:-1], frames[1:]  # (N, H, W)
        across = block_correlation(now, then, config.band, config.patch, config.reach_across)
        along = block_correlation(
            now.transpose(1, 2), then.transpose(1, 2), config.band_along, config.patch, config.reach_along
        )
        peaks = torch.cat([_peaks(across), _peaks(along)], dim=1)  # (N, M)
        volumes = (volume.mul_(CORRELATION_SCALE).to(dtype) for volume in (across, along))
        return Motion(*volumes, peaks)

    def normalise(self, grey: Tensor, dtype: torch.dtype) -> Tensor:
        """Local contrast: [N, H, W] in 0..255 ► about zero mean and unit variance in each neighbourhood."""
        difference = grey - box_sum(grey).mul_(self.box_share)
        variance = box_sum(difference.square()).mul_(self.box_share)
        return difference.mul_(torch.rsqrt_(variance.add_(NOISE_VARIANCE))).to(dtype)


def box_sum(x: Tensor) -> Tensor:
    """Sum over the BOX x BOX pixels around each pixel of [N, H, W]; nothing lies outside the picture.

    Doubling the run (1, 2, 4, 8 pixels, and one more) takes four additions an axis; pooling takes 81 a pixel.
    """
    half = BOX // 2
    for axis in (-1, -2):
        size = x.shape[axis]
        padded = F.pad(x, (half, half) if axis == -1 else (0, 0, half, half))
        run, length = padded, 1
        while 2 * length < BOX:
            reach = run.shape[axis] - length
            run = run.narrow(axis, 0, reach) + run.narrow(axis, length, reach)
            length *= 2
        x = run.narrow(axis, 0, size) + padded.narrow(axis, BOX - 1, size)
    return x


def block_correlation(now: Tensor, then: Tensor, band: int, patch: int, reach: int) -> Tensor:
    """Correlate patches of `now` with horizontally shifted patches of `then`.

    Args:
        now, then: [N, H, W], normalised.
        band, patch: height and width of a patch in pixels.
        reach: the largest shift in pixels.

    Returns float32 [N, H//band, W//patch, 2*reach+1]; positions that leave the picture contribute zero.
    """
    frames, _, width = now.shape
    bands, patches = now.shape[1] // band, width // patch
    size, positions = band * patch, width + patch - 1
    now = now[:, : bands * band, : patches * patch]
    left = now.reshape(frames, bands, band, patches, patch).permute(0, 1, 3, 2, 4)  # (N, L, P, band, patch)
    left = left.reshape(frames * bands, patches, size)
    padded = F.pad(then[:, : bands * band], (patch - 1, patch - 1)).contiguous()  # (N, H, W + 2 (patch-1))
    stride = padded.stride()
    right = padded.as_strided(
        (frames, bands, band, patch, positions), (stride[0], band * stride[1], stride[1], 1, 1)
    ).reshape(frames * bands, size, positions)
    products = torch.bmm(left, right).view(frames, bands, patches, positions)  # position q starts at column q-(patch-1)
    # Patch p at shift s lands on column p*patch + s: rows of the product, each begun `patch` later, line up by shift.
    margin = max(reach - (patch - 1), 0)
    padded = F.pad(products, (margin, margin))
    stride = padded.stride()
    shifts = padded.as_strided(
        (frames, bands, patches, 2 * reach + 1),
        (stride[0], stride[1], stride[2] + patch, stride[3]),
        patch - 1 + margin - reach,
    )
    return shifts.to(torch.float32).div_(size) if shifts.dtype != torch.float32 else shifts / size


def _peaks(correlation: Tensor) -> Tensor:
    """Positions and sharpness of the peaks of [N, L, P, S], a band and overall; median over patches; profile."""
    per_band = correlation.mean(2)  # (N, L, S)
    profiles = torch.cat([per_band, per_band.mean(1, keepdim=True)], dim=1)  # (N, L + 1, S)
    height, index = profiles.max(-1)
    position = index + _parabola(profiles, index, height)
    sharpness = (height - profiles.mean(-1)) * (2 * CORRELATION_SCALE)
    patches = correlation.argmax(-1).flatten(1).float().median(1, keepdim=True).values  # (N, 1)
    centre = correlation.shape[-1] // 2
    shifts = (torch.cat([position, patches], dim=1) - centre) / PEAK_SCALE
    profile = torch.softmax(profiles[:, -1] * PROFILE_SHARPNESS, dim=-1)  # (N, S)
    return torch.cat([shifts, sharpness, profile], dim=1)


def _parabola(profiles: Tensor, index: Tensor, height: Tensor) -> Tensor:
    """How far the top of the parabola through a peak and its neighbours lies from the peak, within ±0.5 pixel."""
    last = profiles.shape[-1] - 1
    before = profiles.gather(-1, (index - 1).clamp_min(0)[..., None])[..., 0]
    after = profiles.gather(-1, (index + 1).clamp_max(last)[..., None])[..., 0]
    bend = (2 * height - before - after).clamp_min(1e-6)
    return (0.5 * (after - before) / bend).clamp_(-0.5, 0.5)
