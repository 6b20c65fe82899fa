"""Teach an IDM of before what its game looks like; its weights and its labels stay the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ...errors import RecordingError
from ...networks.checkpoints import add_beside
from ...progress import log
from ...training.device import pick_device
from ..config import TrainIDMConfig
from ..in_game.fit_density import GAME, fit_game
from ..labels.checkpoint import load_idm, load_network, spec_of
from ..play.frame_cache import open_tracks
from ..play.training_play import choose_recordings


def add_game_density(config: TrainIDMConfig) -> None:
    """Fit it on the play of `config` and put it beside the weights of `config.add_game_density`.

    Raises:
        CheckpointError: that is no IDM.
        ConfigError, RecordingError: the play cannot be divided, or there is too little.
    """
    checkpoint = load_idm(config.add_game_density)
    spec = spec_of(checkpoint)
    model = load_network(checkpoint, spec).to(pick_device(config.device)).eval()
    play, held_out = choose_recordings(config)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(config.cache or folder)
        # One phase is enough: the others show the same play, shifted by a part of a tick.
        tracks, others = (open_tracks(some, spec, cache, phases=False) for some in (play, held_out))
        game = fit_game(model, spec, tracks, others)
    if game is None:
        raise RecordingError("data: too little play to tell the game from other videos; give more")
    add_beside(checkpoint, GAME, game.tensors, game.entry)
    passed = ", ".join(f"{kind} {share:.1%}" for kind, share in game.entry["passed"].items())
    log(f"{checkpoint.uri}: knows its game now; what of a single look passes for it: {passed}")
