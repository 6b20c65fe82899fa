from .devices import DeviceState as DeviceState
from .devices import TickActions as TickActions
from .joint import JointActions as JointActions
from .mirror import Mirror as Mirror
from .spec import ActionSpec as ActionSpec
