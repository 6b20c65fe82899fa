from .run import TrainingRun as TrainingRun
from .schedule import Budget as Budget
