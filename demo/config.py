"""Settings of the demo, and how much of everything they mean. Loads neither torch nor Beam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ..settings import LocalPath, must_be, settings

DEFAULT_HOURS = 0.37
# What labels are for: more video than anybody annotated. Doom's IDM goes on from one that ships and
# needs little play of its own.
UNLABELLED_PER_LABELLED = {"doom": 4.0, "crafter": 2.0}
MIN_MINUTES = (
    0.1  # of a recording: 105 ticks, so that it still makes a clip and fills a window of the IDM
)


@settings()
class DemoConfig:
    """The whole chain on a game, in minutes: play, IDM, labels, agent, report.

    Records scripted play, trains an IDM on it, labels video it has never seen, clones an agent from
    those labels, fine-tunes it, and writes a page with every number: OUT/report.html. A second run
    reuses finished stages.

    Example:
      vidact demo --out runs/demo
      vidact demo --game crafter --out runs/crafter
    """

    out: Annotated[LocalPath, must_be("a folder", bool)] = "runs/demo"
    """Folder of everything that the demo makes; the report is `report.html` in it."""
    game: Literal["doom", "crafter"] = "doom"
    """What is played: nothing but the action spec and its recordings differs."""
    hours: Annotated[float, Field(ge=0.005, le=1000)] = DEFAULT_HOURS
    """Hours of play to record, all piles together; training scales with it. The default takes under
    20 minutes on two CPU cores, 0.02 about two.
    """
    seed: int = 0
    """Seed of play and training."""
    task: str = ""
    """What the agents play, of the tasks that a script can demonstrate (`vidact play --help` lists
    all). By default defend_the_center in Doom, and crafter in Crafter.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class Amounts:
    """How much is recorded and trained; all minutes."""

    labelled: float
    unlabelled: float
    heldout: float
    validation: float
    train_idm: float
    """Of an IDM that starts from nothing."""
    tune_idm: float
    """Of one that goes on from the IDM of this game that ships."""
    clone: float
    blind: float
    """Of cloning on black pictures, whose network has nothing to look at: it is as many steps."""
    finetune: float
    episodes: int
    """Episodes of each score."""

    @staticmethod
    def of(hours: float, game: str) -> Amounts:
        """Shares of `hours` of play of a game, and training to match it.

        Training grows a little slower than play: 20 minutes of play were learnt in 6, 80 in 20 (on
        two CPU cores).
        """
        scale, ratio = hours / DEFAULT_HOURS, UNLABELLED_PER_LABELLED[game]
        heldout, validation = max(2.2 * scale, 4 * MIN_MINUTES), max(1.5 * scale, 4 * MIN_MINUTES)
        labelled = max(hours * 60 - heldout - validation, 4 * MIN_MINUTES) / (1 + ratio)
        growth = scale**0.85
        return Amounts(
            labelled=round(labelled, 3),
            unlabelled=round(labelled * ratio, 3),
            heldout=round(heldout, 3),
            validation=round(validation, 3),
            train_idm=round(3.3 * growth, 2),
            tune_idm=round(1.0 * growth, 2),
            clone=round(2.8 * growth, 2),
            blind=round(1.6 * growth, 2),
            finetune=round(1.5 * growth, 2),
            episodes=max(2, min(200, round(40 * scale))),
        )
