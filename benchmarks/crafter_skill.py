"""How far the scripted Crafter player comes: `python benchmarks/crafter_skill.py --episodes 50`.

Prints the share of episodes with each achievement. Episodes end with death or after `--ticks`.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import tyro
from vidact.games.crafter.game import CrafterGame
from vidact.games.crafter.player import CrafterPlayer
from vidact.progress import Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class SkillConfig:
    """Measure the scripted Crafter player."""

    episodes: int = 50
    """Worlds to play."""
    ticks: int = 3000
    """Longest episode in ticks of 0.1 s."""
    seed: int = 1000
    """Seed of the first world; the others follow."""
    jobs: int = 1
    """Worker processes."""
    out: str = ""
    """A JSON file for the figures, beside the table that is printed."""


def play_episode(seed: int, ticks: int) -> tuple[set[str], int, bool]:
    """(achievements, ticks played, died) of one world.

    Nothing is drawn, which changes the night's dice but no rule.
    """
    game, player = CrafterGame(seed, draw=False), CrafterPlayer(seed)
    while not game.finished and game.steps < ticks:
        game.step(player.act(game.view()))
    return game.achievements, game.steps, game.finished


def _play(item: tuple[int, int]) -> tuple[set[str], int, bool]:
    return play_episode(*item)


def main(config: SkillConfig) -> int:
    """Print the table."""
    items = [(config.seed + i, config.ticks) for i in range(config.episodes)]
    results = []
    with Progress("Playing Crafter", total=len(items), unit="episodes") as progress:
        if config.jobs > 1:
            with get_context("spawn").Pool(config.jobs) as pool:
                for result in pool.imap(_play, items):
                    results.append(result)
                    progress.advance()
        else:
            for item in items:
                results.append(_play(item))
                progress.advance()
    counts = Counter(name for achieved, _, _ in results for name in achieved)
    shares = {name: count / len(results) for name, count in counts.most_common()}
    shares["died"] = sum(died for _, _, died in results) / len(results)
    ticks = sum(ticks for _, ticks, _ in results) / len(results)
    print("| | share of episodes |\n|---|---|")
    for name, share in shares.items():
        print(f"| {name} | {share:.2f} |")
    print(f"| ticks played, mean | {ticks:.0f} |")
    if config.out:
        content = {
            "settings": asdict(config),
            "share_of_episodes": shares,
            "ticks_played_mean": ticks,
        }
        Path(config.out).write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(SkillConfig)))
