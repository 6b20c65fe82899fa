"""What the training loops share: schedules, EMA, exact resume, guards, logging.

In come steps, out go checkpoints and logs; idm and bc_policy call it.
"""
