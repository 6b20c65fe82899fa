from .clip import Clip as Clip
from .codec import decode_clip as decode_clip
from .codec import encode_clip as encode_clip
from .commits import CommitRecord as CommitRecord
from .commits import DeadLetter as DeadLetter
from .dataset import Dataset as Dataset
from .info import DatasetInfo as DatasetInfo
from .writer import ShardWriter as ShardWriter
