from .env import GameEnv as GameEnv
from .task import Task as Task
from .tasks import TASKS as TASKS
from .tasks import make_env as make_env
