"""New weights on their way from the Learner to every engine."""
