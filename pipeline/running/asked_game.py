"""Whether a job asks its model if videos show the game that it knows."""

from __future__ import annotations

from ...datasets.shards.dataset import Dataset
from ...progress import log
from .identity import identity_of
from .model import JobModel


def game_to_ask(dataset: Dataset, model: JobModel) -> str:
    """The digest of what videos are held against; empty where the model is not asked.

    Why it is not is told: the model may know no game, and a dataset that was begun without asking
    goes on so, since its shards are to be of one kind.
    """
    if not model.game_sha256:
        log(
            f"{model.uri} does not know what its game looks like: whatever the pictures show is "
            "labelled, and in_game stays empty; `vidact train-idm --add-game-density` adds that"
        )
        return ""
    if was_begun_before(dataset):
        log(
            f"{dataset} was begun without asking whether videos show the game, and goes on so; "
            "another --out asks"
        )
        return ""
    return model.game_sha256


def was_begun_before(dataset: Dataset) -> bool:
    """Whether a dataset was begun when there was no such question, or with a model that cannot be
    asked.
    """
    begun = identity_of(dataset)
    return begun is not None and not begun.keys() & {"game_sha256", "any_game"}
