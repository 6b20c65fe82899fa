"""How long clips are, for settings, writers and readers alike."""

# Ticks of a full clip: long enough for a policy's context, short enough that a shuffled batch is
# varied. Segments of a job are multiples of it, so that only a stretch's last clip is short.
CLIP_TICKS = 128
# Anything shorter is too short to train on and is dropped, counted as `short`.
MIN_CLIP_TICKS = 32
