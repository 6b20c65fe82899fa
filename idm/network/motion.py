"""Motion made explicit: where each patch of a picture went in the next one.

A small network learns turning and walking from stacked frames only slowly; given the correlation of
neighboring frames it learns them in minutes. This front end has no parameters and runs on the fly,
behind any augmentation.

N frames, H rows, W columns, P patches along an axis, S shifts, L bands

    view ► average over `blur` pixels across the axis of search, so that motion across it does not
         matter ► subtract the local mean, divide by the local deviation, along the axis ► cut into
         bands and patches ► correlate each patch with the next frame at every shift within reach,
         along its band

For sideways motion bands are rows of the picture, for vertical motion columns; before the vertical
search the next frame is turned back by as much as most of the picture went sideways, or a patch
would no longer stand in its column. One matrix product a band gives the correlation of its patches
with every position of the band in the next frame; a strided view lines up equal shifts.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import MotionConfig

# pixels along the axis that local contrast is measured over; detail much coarser does not localise
NEIGHBORHOOD = 23
# Pixels along the axis: the finest detail of game textures flickers from frame to frame.
SMOOTHING = 3
NOISE_VARIANCE = 1.0  # grey levels squared: keeps flat walls flat
# Brings the correlations of moving pictures (mostly within ±0.3) near unit variance.
CORRELATION_SCALE = 3.0
PROFILE_LIMIT = 10.0  # deviations: a flat picture may have one peak and nothing else
# part of the height, from below, where games show hands and weapons, which do not turn with the
# view
HANDS = 0.25
AGREEMENT = 0.06  # mean correlation above which a shift of the whole picture is believed
PEAK_SCALE = 8.0  # pixels: a moderate turn; brings peak positions to the order of one


class Motion(NamedTuple):
    """What moved between each frame and the next."""

    across: Tensor
    """float32 or bfloat16 [N, L, P, S]: patch p of horizontal band l with what is s - S//2 pixels
    to its right next.
    """
    along: Tensor
    """float [N, L', P', S']: the same down the columns; bands are vertical, shifts go down."""
    peaks: Tensor
    """float [N, M]: positions (in units of 8 pixels) and sharpness of the correlation peaks, and
    the whole picture's correlation by shift, in deviations from its mean.
    """


class MotionFrontEnd(nn.Module):
    """A view's frames to `Motion`.

    Args:
        config: sizes of patches and reach of shifts.
        image: height and width of the view in pixels.
    """

    def __init__(self, config: MotionConfig, image: tuple[int, int]):
        super().__init__()
        self.config = config
        self.image = height, width = image
        self.across_shape = (
            height // (config.blur_across * config.band_across),
            width // config.patch,
            2 * config.reach_across + 1,
        )
        """L, P, S."""
        self.along_shape = (
            width // (config.blur_along * config.band_along),
            height // config.patch,
            2 * config.reach_along + 1,
        )
        """L', P', S'."""

    @property
    def num_peaks(self) -> int:
        """M: along both axes position and sharpness a band and overall, the median over patches,
        and the profile.
        """
        return sum(
            2 * (bands + 1) + 1 + shifts
            for bands, _, shifts in (self.across_shape, self.along_shape)
        )

    @torch.no_grad()
    def forward(self, view: Tensor, *, dtype: torch.dtype = torch.float32) -> Motion:
        """
        Args:
            view: [N + 1, H, W], 0..255: consecutive frames of one clip.
            dtype: of the matrix products; bfloat16 halves the time where the machine has it.

        Returns the motion from each of the first N frames to its successor. A black (absent) frame
        correlates with
        nothing: all zeros.
        """
        config = self.config
        sharp = blurred_contrast(view, config.blur_across).to(dtype)  # (N + 1, H/blur, W)
        across = block_correlation(
            sharp[:-1], sharp[1:], config.band_across, config.patch, config.reach_across
        )
        turned_back = shifted(view[1:], self._turn(across))
        now, then = (
            blurred_contrast(one.transpose(1, 2), config.blur_along).to(dtype)
            for one in (view[:-1], turned_back)
        )
        along = block_correlation(now, then, config.band_along, config.patch, config.reach_along)
        peaks = torch.cat([_peaks(across), _peaks(along)], dim=1)  # (N, M)
        return Motion(
            across.mul_(CORRELATION_SCALE).to(dtype), along.mul_(CORRELATION_SCALE).to(dtype), peaks
        )

    def _turn(self, across: Tensor) -> Tensor:
        """int64 [N]: by how many pixels most of the picture went sideways, 0 where nothing in it
        says so.
        """
        bands = across.shape[1] - int(HANDS * across.shape[1])
        agreement, shift = across[:, :bands].mean((1, 2)).max(-1)
        return torch.where(agreement > AGREEMENT, shift - self.config.reach_across, 0)


def shifted(view: Tensor, pixels: Tensor) -> Tensor:
    """[N, H, W] moved left by so many pixels each (int64 [N]); the rim's own column is repeated
    beyond it.
    """
    columns = torch.arange(view.shape[-1], device=view.device) + pixels[:, None]  # (N, W)
    return view.gather(2, columns.clamp_(0, view.shape[-1] - 1)[:, None].expand_as(view))


def blurred_contrast(view: Tensor, blur: int) -> Tensor:
    """[N, H, W] ► [N, H/blur, W]: rows averaged, then local contrast along them."""
    rows = view[:, : view.shape[1] // blur * blur].unflatten(1, (-1, blur))
    return local_contrast(sum((rows[:, :, i] for i in range(1, blur)), start=rows[:, :, 0]) / blur)


def local_contrast(x: Tensor) -> Tensor:
    """About zero mean and unit variance in each neighborhood along the last axis: [N, H, W]."""
    smooth = box_mean(x, SMOOTHING)
    difference = smooth - box_mean(smooth, NEIGHBORHOOD)
    variance = box_mean(difference.square(), NEIGHBORHOOD)
    return difference.mul_(torch.rsqrt_(variance.add_(NOISE_VARIANCE)))


def box_mean(x: Tensor, size: int) -> Tensor:
    """Mean over the `size` (odd) pixels around each one along the last axis; the rim's own pixel is
    repeated beyond it.

    Sums double (1, 2, 4 … pixels), so that it takes a few additions a pixel whatever the size.
    """
    half = size // 2
    run = F.pad(x, (half, half), mode="replicate")
    width, length, total, done = x.shape[-1], 1, None, 0
    while True:
        if size & length:
            part = run.narrow(-1, done, width)
            total = part if total is None else total + part
            done += length
        if 2 * length > size:
            break
        reach = run.shape[-1] - length
        run = run.narrow(-1, 0, reach) + run.narrow(-1, length, reach)
        length *= 2
    return (x if total is None else total) * (1.0 / size)


def block_correlation(now: Tensor, then: Tensor, band: int, patch: int, reach: int) -> Tensor:
    """Correlate patches of `now` with horizontally shifted patches of `then`.

    Args:
        now, then: [N, H, W], normalised.
        band, patch: height and width of a patch in pixels.
        reach: the largest shift in pixels.

    Returns float32 [N, H//band, W//patch, 2*reach+1]; positions that leave the picture contribute
    zero.
    """
    frames, _, width = now.shape
    bands, patches = now.shape[1] // band, width // patch
    size, positions = band * patch, width + patch - 1
    now = now[:, : bands * band, : patches * patch]
    left = now.reshape(frames, bands, band, patches, patch)
    left = left.permute(0, 1, 3, 2, 4)  # (N, L, P, band, patch)
    left = left.reshape(frames * bands, patches, size)
    padded = F.pad(then[:, : bands * band], (patch - 1, patch - 1))  # (N, H, W + 2 (patch-1))
    padded = padded.contiguous()
    stride = padded.stride()
    right = padded.as_strided(
        (frames, bands, band, patch, positions), (stride[0], band * stride[1], stride[1], 1, 1)
    ).reshape(frames * bands, size, positions)
    # Position q starts at column q-(patch-1).
    products = torch.bmm(left, right).view(frames, bands, patches, positions)
    # Patch p at shift s lands on column p*patch + s: rows of the product, each begun `patch` later,
    # line up by shift.
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
    """Positions and sharpness of the peaks of [N, L, P, S], a band and overall; median over
    patches; profile.
    """
    per_band = correlation.mean(2)  # (N, L, S)
    profiles = torch.cat([per_band, per_band.mean(1, keepdim=True)], dim=1)  # (N, L + 1, S)
    height, index = profiles.max(-1)
    position = index + _parabola(profiles, index, height)
    sharpness = (height - profiles.mean(-1)) * (2 * CORRELATION_SCALE)
    patches = correlation.argmax(-1).flatten(1).float().median(1, keepdim=True).values  # (N, 1)
    centre = correlation.shape[-1] // 2
    shifts = (torch.cat([position, patches], dim=1) - centre) / PEAK_SCALE
    whole = profiles[:, -1] - profiles[:, -1].mean(1, keepdim=True)  # (N, S)
    profile = whole / whole.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6)
    return torch.cat([shifts, sharpness, profile.clamp_(-PROFILE_LIMIT, PROFILE_LIMIT)], dim=1)


def _parabola(profiles: Tensor, index: Tensor, height: Tensor) -> Tensor:
    """How far the top of the parabola through a peak and its neighbors lies from the peak, within
    ±0.5 pixel.
    """
    last = profiles.shape[-1] - 1
    before = profiles.gather(-1, (index - 1).clamp_min(0)[..., None])[..., 0]
    after = profiles.gather(-1, (index + 1).clamp_max(last)[..., None])[..., 0]
    bend = (2 * height - before - after).clamp_min(1e-6)
    return (0.5 * (after - before) / bend).clamp_(-0.5, 0.5)
