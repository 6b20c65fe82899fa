"""Dirt over play, as streamers and editors leave it: kinds that labels show, and kinds that none
shows (`filter_sources.yaml`).

Each painter changes pictures uint8 [H, W, 3] of one stretch, which share what they draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from vidact.idm.in_game.drawn_scenes import SCENES, draw_scene
from vidact.idm.in_game.negatives import FOLDER, photograph

Picture = NDArray[np.uint8]
Stretch = list[Picture]
WORDS = (
    "lol",
    "gg",
    "nice",
    "chat",
    "what",
    "a",
    "shot",
    "follow",
    "sub",
    "raid",
    "hello",
    "again",
)


class Painter:
    """Paints kinds of dirt.

    Args:
        photographs: pictures for what moves in a face cam, none of which a filter is fitted on.
    """

    def __init__(self, photographs: Sequence[Path]):
        self.photographs = photographs
        self.kinds: dict[str, Callable[[Stretch, np.random.Generator], Stretch]] = {
            name: getattr(self, name)
            for name in (
                *("menu", "watermark", "overlay", "other_game", "loading"),
                *("face_cam", "letter_box", "subtitles", "alert", "desktop"),
            )
        }

    def menu(self, play: Stretch, draw: np.random.Generator) -> Stretch:
        """A page of lines over darkened play."""
        lines = [words(draw, 2) for _ in range(draw.integers(4, 9))]
        size, color = int(draw.integers(18, 34)), colored(draw)
        dark, left = draw.uniform(0.0, 0.6), int(draw.integers(60, 240))

        def paint(picture: Picture) -> Picture:
            image = Image.fromarray((picture * dark).astype(np.uint8))
            for row, line in enumerate(lines):
                text(image, (left, 30 + row * round(1.5 * size)), line, size, color)
            return np.asarray(image)

        return [paint(picture) for picture in play]

    def watermark(self, play: Stretch, draw: np.random.Generator) -> Stretch:
        """A word in a corner, half transparent."""
        word, size, share = (
            words(draw, 1).upper(),
            int(draw.integers(24, 48)),
            draw.uniform(0.4, 0.9),
        )
        height, width = play[0].shape[:2]
        place = draw.integers(2) * (width - 220) + 20, draw.integers(2) * (height - 80) + 15

        def paint(picture: Picture) -> Picture:
            image = Image.fromarray(picture)
            text(image, place, word, size, (255, 255, 255))
            return blend(picture, np.asarray(image), share)

        return [paint(picture) for picture in play]

    def overlay(self, play: Stretch, draw: np.random.Generator) -> Stretch:
        """A column of lines of chat over play."""
        height, width = play[0].shape[:2]
        wide, left = int(draw.integers(150, 230)), int(draw.integers(0, 2))
        x = left * (width - wide)
        lines = [(words(draw, 4), colored(draw)) for _ in range(len(play) + 30)]
        share = draw.uniform(0.3, 0.8)

        def paint(number: int, picture: Picture) -> Picture:
            out = picture.copy()
            out[:, x : x + wide] = blend(out[:, x : x + wide], np.zeros_like(out[:, :wide]), share)
            image = Image.fromarray(out)
            for row in range(height // 20):
                line, color = lines[(number + row) % len(lines)]
                text(image, (x + 6, row * 20 + 2), line, 13, color)
            return np.asarray(image)

        return [paint(number, picture) for number, picture in enumerate(play)]

    def other_game(self, play: Stretch, draw: np.random.Generator) -> Stretch:
        """Drawn scenes and photographs of list A, over which a camera moves."""
        height, width = play[0].shape[:2]
        if draw.random() < 0.5:
            names = list(SCENES)
            canvas = draw_scene(names[draw.integers(len(names))], (540, 960), draw)
        else:
            files = sorted(FOLDER.glob("*.jpg"))
            canvas = np.asarray(
                Image.fromarray(photograph(files[draw.integers(len(files))])).resize((960, 540))
            )
        room = np.array([540 - height, 960 - width])
        places = np.linspace(draw.uniform(0, 1, 2), draw.uniform(0, 1, 2), len(play)) * room
        return [canvas[y : y + height, x : x + width].copy() for y, x in places.astype(int)]

    def loading(self, play: Stretch, draw: np.random.Generator) -> Stretch:
        """A flat picture with a bar that grows."""
        height, width = play[0].shape[:2]
        ground, bar = colored(draw), colored(draw)
        y, out = int(draw.integers(height // 2, height - 40)), []
        for number in range(len(play)):
            image = Image.new("RGB", (width, height), ground)
            end = 60 + (width - 120) * (number + 1) // len(play)
            ImageDraw.Draw(image).rectangle((60, y, end, y + 14), fill=bar)
            text(image, (60, y - 34), "LOADING", 22, bar)
            out.append(np.asarray(image))
        return out

    def face_cam(self, play: Stretch, draw: np.random.Generator) -> Stretch:
        """A moving picture in a corner."""
        height, width = play[0].shape[:2]
        share = draw.uniform(0.2, 0.35)
        h, w = round(height * share), round(width * share)
        y, x = draw.integers(2) * (height - h), draw.integers(2) * (width - w)
        source = photograph(self.photographs[draw.integers(len(self.photographs))])
        source = np.asarray(Image.fromarray(source).resize((2 * w, 2 * h)))
        out = []
        for number, picture in enumerate(play):
            a = round((0.5 + 0.4 * np.sin(number / 3)) * h), round((0.5 + 0.4 * np.cos(number)) * w)
            painted = picture.copy()
            painted[y : y + h, x : x + w] = source[a[0] : a[0] + h, a[1] : a[1] + w]
            out.append(painted)
        return out

    def letter_box(self, play: Stretch, draw: np.random.Generator) -> Stretch:
        """Black bars above and below, or left and right, of the squeezed picture."""
        height, width = play[0].shape[:2]
        upright, share = draw.random() < 0.5, draw.uniform(0.65, 0.85)
        size = (width, round(height * share)) if upright else (round(width * share), height)
        y, x = (height - size[1]) // 2, (width - size[0]) // 2
        out = []
        for picture in play:
            painted = np.zeros_like(picture)
            painted[y : y + size[1], x : x + size[0]] = np.asarray(
                Image.fromarray(picture).resize(size)
            )
            out.append(painted)
        return out

    def subtitles(self, play: Stretch, draw: np.random.Generator) -> Stretch:
        """One or two lines at the bottom, other ones every few seconds."""
        height, size, color = play[0].shape[0], int(draw.integers(20, 30)), (255, 255, 230)
        count = int(draw.integers(1, 3))
        lines = [[words(draw, 6) for _ in range(count)] for _ in range(len(play) // 6 + 1)]

        def paint(number: int, picture: Picture) -> Picture:
            image = Image.fromarray(picture)
            for row, line in enumerate(lines[number // 6]):
                y = height - 20 - (count - row) * round(1.3 * size)
                text(image, (80, y), line, size, color, edge=2)
            return np.asarray(image)

        return [paint(number, picture) for number, picture in enumerate(play)]

    def alert(self, play: Stretch, draw: np.random.Generator) -> Stretch:
        """A colored box with a word in the middle of the upper half."""
        width = play[0].shape[1]
        w, h, color, word = int(draw.integers(200, 320)), 70, colored(draw), words(draw, 2)
        x = (width - w) // 2

        def paint(picture: Picture) -> Picture:
            image = Image.fromarray(picture)
            ImageDraw.Draw(image).rectangle((x, 40, x + w, 40 + h), fill=color)
            text(image, (x + 20, 58), word, 28, (255, 255, 255))
            return np.asarray(image)

        return [paint(picture) for picture in play]

    def desktop(self, play: Stretch, draw: np.random.Generator) -> Stretch:
        """Play in a window over a desktop."""
        height, width = play[0].shape[:2]
        share = draw.uniform(0.5, 0.8)
        size = round(width * share), round(height * share)
        x, y = (
            int(draw.integers(0, full - own))
            for full, own in zip((width, height), size, strict=True)
        )
        ground = np.asarray(Image.new("RGB", (width, height), colored(draw))).copy()
        ground[-24:] = (30, 30, 34)
        out = []
        for picture in play:
            painted = ground.copy()
            painted[max(y - 18, 0) : y, x : x + size[0]] = (210, 210, 215)
            painted[y : y + size[1], x : x + size[0]] = np.asarray(
                Image.fromarray(picture).resize(size)
            )
            out.append(painted)
        return out


def words(draw: np.random.Generator, count: int) -> str:
    return " ".join(WORDS[i] for i in draw.integers(0, len(WORDS), count))


def colored(draw: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = draw.integers(20, 256, 3).tolist()
    return red, green, blue


def text(
    image: Image.Image,
    place: tuple[int, int],
    words: str,
    size: int,
    color: tuple[int, int, int],
    *,
    edge: int = 0,
) -> None:
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text(
        place, words, fill=color, font=font, stroke_width=edge, stroke_fill=(0, 0, 0)
    )


def blend(one: Picture, other: Picture, share: float) -> Picture:
    return (one * (1 - share) + other * share).astype(np.uint8)
