from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from vidact.demo.report import render

sys.path.insert(0, str(Path(__file__).parent))
from sample_report import sample_figures, sample_media

VOID = {"meta", "link", "img", "br", "path", "rect"}


class Outline(HTMLParser):
    """Checks that tags close in order, and keeps ids, links, addresses and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.anchors: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id" and value:
                assert value not in self.ids
                self.ids.add(value)
            if name in ("src", "href") and value:
                (self.anchors if value.startswith("#") else self.addresses).append(value)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def outline(figures: dict[str, Any]) -> Outline:
    parsed = Outline()
    parsed.feed(render(figures, sample_media(video=b"\0\0\0\x18ftypmp42")))
    return parsed


def test_the_page_is_whole_and_asks_for_nothing_from_outside() -> None:
    page = outline(sample_figures())
    assert page.open == []
    assert {anchor.removeprefix("#") for anchor in page.anchors} <= page.ids
    assert page.addresses
    assert all(address.startswith("data:") for address in page.addresses)
    style = render(sample_figures(), sample_media())
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style


def test_the_page_shows_the_figures() -> None:
    words = outline(sample_figures()).text
    for figure in (
        "95.1 %",
        "0.91",
        "84.6 %",
        "94.4 to 95.7",
        "331",
        "42.1",
        "36.9 to 47.5",
        "21.0",
        "6 min 02 s",
    ):
        assert figure in words, figure


def test_what_is_said_of_two_scores_follows_from_their_intervals() -> None:
    figures = sample_figures()
    assert "The clone is above random play and above a blind clone" in outline(figures).text
    figures["clone"] |= {"score": 10.0, "ci95": [9.0, 11.0]}
    words = outline(figures).text
    assert "The clone is below random play and below a blind clone" in words
    assert "the fine-tuned agent is above the clone" in words


def test_a_score_of_one_episode_has_no_interval() -> None:
    figures = sample_figures()
    for name in ("random", "blind", "clone", "finetune"):
        figures[name] |= {"ci95": None, "episodes": 1}
    words = outline(figures).text
    assert (
        "The clone is not clearly apart from random play and not clearly apart from a blind clone"
        in words
    )
    assert "no interval of one episode" in words


def test_a_gain_whose_interval_reaches_zero_is_not_claimed() -> None:
    figures = sample_figures()
    assert "On these four the model is above every baseline" in outline(figures).text
    figures["idm"]["gain"]["rates"]["macro_f1"]["ci95"] = [-0.01, 0.3]
    words = outline(figures).text
    assert "above every baseline" not in words
    assert "reaches 0: Macro F1 (random presses at the training rates)." in words


def test_figures_that_do_not_exist_leave_a_dash() -> None:
    figures = sample_figures()
    figures["idm"]["mouse_r2"]["pitch"] = None
    figures["idm"]["ci95"]["macro_ap"] = None
    del figures["idm"]["ci95"]["transition_f1"]
    figures["label_quality"]["macro_ap"] = None
    words = outline(figures).text
    assert "None" not in words
    assert "nan" not in words
    assert "–" in words


def test_names_from_outside_cannot_break_the_page() -> None:
    figures = sample_figures()
    figures["clone"]["task"] = "<script>alert(1)</script>"
    figures["dataset"]["drops"] = {"<b>": 3}
    page = outline(figures)
    assert page.open == []
    assert "<script>alert(1)</script>" in page.text


def chromium() -> str:
    found = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if found is None:
        if "chromium" in os.environ.get("VIDACT_REQUIRE", ""):
            pytest.fail("VIDACT_REQUIRE names chromium, which is not installed")
        pytest.skip("no Chromium on this machine")
    return found


@pytest.mark.parametrize("width", [390, 1280])
def test_a_real_browser_lays_the_page_out_without_overflow(width: int, tmp_path: Path) -> None:
    measure = (
        "<script>addEventListener('load', () => { const d = document.documentElement;"
        "d.dataset.overflow = d.scrollWidth - innerWidth;"
        "d.dataset.broken = [...document.images].filter(i => !i.naturalWidth).length;"
        "d.dataset.dots = document.querySelectorAll('.dot').length; })</script></body>"
    )
    file = tmp_path / "report.html"
    file.write_text(
        render(sample_figures(), sample_media()).replace("</body>", measure), encoding="utf-8"
    )
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ]
    flags += [
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    done = subprocess.run(
        [chromium(), *flags, f"--window-size={width},2000", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    root = done.stdout[: done.stdout.index(">", done.stdout.index("<html"))]
    assert int(re.search(r'data-overflow="(-?\d+)"', root)[1]) <= 0  # type: ignore[index]
    assert 'data-broken="0"' in root
    assert int(re.search(r'data-dots="(\d+)"', root)[1]) > 30  # type: ignore[index]
