"""Small videos that tests of decoding share with those of the labelling job."""

from ...pipeline.conftest import videos

__all__ = ["videos"]
