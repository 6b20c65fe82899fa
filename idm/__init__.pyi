from .labels.calibration import Predictions as Predictions
from .labels.checkpoint import load_idm as load_idm
from .labels.predict import Predictor as Predictor
