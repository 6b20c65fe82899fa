"""Reinforcement learning: actors that play, rollouts, and PPO steps.

In come a policy and a task, out go better weights; `finetune` calls it.
"""
