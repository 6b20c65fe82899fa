from .policy.policy import Policy as Policy
from .policy.policy import load_policy as load_policy
