"""vidact: from piles of unlabeled gameplay video to data that trains agents.

The names listed here are the Python interface; all others may change. A verb of the command line is
a function of its settings: `vidact.label(vidact.LabelConfig(sources=["videos"], idm="doom",
out="runs/dataset"))`. Importing the package loads none of their modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .bc_policy.clone import clone as clone
    from .bc_policy.cloning.config import CloneConfig as CloneConfig
    from .bc_policy.finetune import finetune as finetune
    from .bc_policy.import_vpt_policy import import_vpt_policy as import_vpt_policy
    from .bc_policy.play import play as play
    from .bc_policy.policy.config import ImportVPTPolicyConfig as ImportVPTPolicyConfig
    from .bc_policy.policy.config import PolicyConfig as PolicyConfig
    from .bc_policy.policy.policy import Policy as Policy
    from .bc_policy.policy.policy import load_policy as load_policy
    from .bc_policy.rl.config import FinetuneConfig as FinetuneConfig
    from .bc_policy.rl.config import PPOConfig as PPOConfig
    from .bc_policy.scoring.config import PlayConfig as PlayConfig
    from .datasets.actions.spec import ActionSpec as ActionSpec
    from .datasets.config import ImportVPTConfig as ImportVPTConfig
    from .datasets.config import InspectConfig as InspectConfig
    from .datasets.config import PackConfig as PackConfig
    from .datasets.config import SpecCheckConfig as SpecCheckConfig
    from .datasets.config import StatusConfig as StatusConfig
    from .datasets.config import VerifyConfig as VerifyConfig
    from .datasets.import_vpt import import_vpt as import_vpt
    from .datasets.inspect import inspect as inspect
    from .datasets.loading.batch import Batch as Batch
    from .datasets.loading.clips import ClipLoader as ClipLoader
    from .datasets.loading.recordings import RecordingLoader as RecordingLoader
    from .datasets.pack import pack as pack
    from .datasets.recordings.recording import Recording as Recording
    from .datasets.recordings.recording import find_recordings as find_recordings
    from .datasets.recordings.writer import RecordingWriter as RecordingWriter
    from .datasets.shards.dataset import Dataset as Dataset
    from .datasets.spec_check import spec_check as spec_check
    from .datasets.status import status as status
    from .datasets.verify import verify as verify
    from .datasets.video.config import DecoderConfig as DecoderConfig
    from .demo.config import DemoConfig as DemoConfig
    from .demo.demo import run_demo as run_demo
    from .errors import CheckFailed as CheckFailed
    from .errors import CheckpointError as CheckpointError
    from .errors import ConfigError as ConfigError
    from .errors import DatasetError as DatasetError
    from .errors import Interrupted as Interrupted
    from .errors import MissingDependencyError as MissingDependencyError
    from .errors import RecordingError as RecordingError
    from .errors import ShardError as ShardError
    from .errors import SpecError as SpecError
    from .errors import SpecMismatchError as SpecMismatchError
    from .errors import VidactError as VidactError
    from .errors import VideoError as VideoError
    from .games.config import RecordCrafterConfig as RecordCrafterConfig
    from .games.config import RecordDoomConfig as RecordDoomConfig
    from .games.config import RecordFreedoomDemosConfig as RecordFreedoomDemosConfig
    from .games.record_crafter import record_crafter as record_crafter
    from .games.record_doom import record_doom as record_doom
    from .games.record_freedoom_demos import record_freedoom_demos as record_freedoom_demos
    from .games.tasks import TASKS as TASKS
    from .games.tasks import make_env as make_env
    from .idm.config import EvalIDMConfig as EvalIDMConfig
    from .idm.config import ImportVPTIDMConfig as ImportVPTIDMConfig
    from .idm.config import TrainIDMConfig as TrainIDMConfig
    from .idm.eval_idm import eval_idm as eval_idm
    from .idm.import_vpt_idm import import_vpt_idm as import_vpt_idm
    from .idm.labels.checkpoint import load_idm as load_idm
    from .idm.labels.predict import Predictor as Predictor
    from .idm.network.config import AugmentConfig as AugmentConfig
    from .idm.network.config import IDMConfig as IDMConfig
    from .idm.train_idm import train_idm as train_idm
    from .labeling_tool.config import ServeConfig as ServeConfig
    from .labeling_tool.serve import serve as serve
    from .pipeline.config import FilterConfig as FilterConfig
    from .pipeline.config import LabelConfig as LabelConfig
    from .pipeline.config import LayoutConfig as LayoutConfig
    from .pipeline.config import PlanConfig as PlanConfig
    from .pipeline.config import RelabelConfig as RelabelConfig
    from .pipeline.config import RemoveConfig as RemoveConfig
    from .pipeline.label import label as label
    from .pipeline.plan import plan as plan
    from .pipeline.relabel import relabel as relabel
    from .pipeline.remove import remove as remove
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".errors": (
                "CheckFailed",
                "CheckpointError",
                "ConfigError",
                "DatasetError",
                "Interrupted",
                "MissingDependencyError",
                "RecordingError",
                "ShardError",
                "SpecError",
                "SpecMismatchError",
                "VidactError",
                "VideoError",
            ),
            ".datasets.actions.spec": ("ActionSpec",),
            ".datasets.recordings.recording": ("Recording", "find_recordings"),
            ".datasets.recordings.writer": ("RecordingWriter",),
            ".datasets.shards.dataset": ("Dataset",),
            ".datasets.loading.batch": ("Batch",),
            ".datasets.loading.clips": ("ClipLoader",),
            ".datasets.loading.recordings": ("RecordingLoader",),
            ".games.tasks": ("TASKS", "make_env"),
            ".idm.labels.predict": ("Predictor",),
            ".idm.labels.checkpoint": ("load_idm",),
            ".bc_policy.policy.policy": ("Policy", "load_policy"),
            ".demo.config": ("DemoConfig",),
            ".demo.demo": ("run_demo",),
            ".games.config": (
                "RecordCrafterConfig",
                "RecordDoomConfig",
                "RecordFreedoomDemosConfig",
            ),
            ".games.record_crafter": ("record_crafter",),
            ".games.record_doom": ("record_doom",),
            ".games.record_freedoom_demos": ("record_freedoom_demos",),
            ".datasets.config": (
                "ImportVPTConfig",
                "InspectConfig",
                "PackConfig",
                "SpecCheckConfig",
                "StatusConfig",
                "VerifyConfig",
            ),
            ".datasets.video.config": ("DecoderConfig",),
            ".datasets.import_vpt": ("import_vpt",),
            ".datasets.inspect": ("inspect",),
            ".datasets.pack": ("pack",),
            ".datasets.spec_check": ("spec_check",),
            ".datasets.status": ("status",),
            ".datasets.verify": ("verify",),
            ".idm.config": ("EvalIDMConfig", "ImportVPTIDMConfig", "TrainIDMConfig"),
            ".idm.eval_idm": ("eval_idm",),
            ".idm.import_vpt_idm": ("import_vpt_idm",),
            ".idm.network.config": ("AugmentConfig", "IDMConfig"),
            ".idm.train_idm": ("train_idm",),
            ".pipeline.config": (
                "FilterConfig",
                "LabelConfig",
                "LayoutConfig",
                "PlanConfig",
                "RelabelConfig",
                "RemoveConfig",
            ),
            ".pipeline.label": ("label",),
            ".pipeline.plan": ("plan",),
            ".pipeline.relabel": ("relabel",),
            ".pipeline.remove": ("remove",),
            ".bc_policy.cloning.config": ("CloneConfig",),
            ".bc_policy.import_vpt_policy": ("import_vpt_policy",),
            ".bc_policy.policy.config": ("ImportVPTPolicyConfig", "PolicyConfig"),
            ".bc_policy.rl.config": ("FinetuneConfig", "PPOConfig"),
            ".bc_policy.scoring.config": ("PlayConfig",),
            ".bc_policy.clone": ("clone",),
            ".bc_policy.finetune": ("finetune",),
            ".bc_policy.play": ("play",),
            ".labeling_tool.config": ("ServeConfig",),
            ".labeling_tool.serve": ("serve",),
        },
    )
