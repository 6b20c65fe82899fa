"""IDMs by name: those that ship with vidact label without any training."""

from __future__ import annotations

from pathlib import Path

from ...errors import CheckpointError
from ...networks.checkpoints import CONFIG_FILE, Checkpoint, load_checkpoint

FOLDER = Path(__file__).parents[1] / "shipped_checkpoints"


def shipped() -> list[str]:
    """The names of the IDMs that ship."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{CONFIG_FILE}"))


def load_idm(uri: str) -> Checkpoint:
    """An IDM's checkpoint.

    Args:
        uri: a folder, local or any fsspec URL, or the name of one that ships, such as `doom`; a local folder of that
            name comes first.

    Raises CheckpointError.
    """
    if uri in shipped() and not (Path(uri) / CONFIG_FILE).exists():
        return load_checkpoint(FOLDER / uri).require_kind("idm")
    try:
        return load_checkpoint(uri).require_kind("idm")
    except CheckpointError as error:
        if "/" in uri or Path(uri).exists():
            raise
        raise CheckpointError(
            f"{error}; by name there are: {', '.join(shipped()) or 'none'}"
        ) from error
