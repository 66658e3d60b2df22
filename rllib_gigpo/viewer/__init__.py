"""The pages of `rllib view`: curves of runs, episodes with their credit, and graphs of states.

A run's files are all that the pages need; neither Ray nor torch is imported here.
"""
