"""The Learner's update: from token rows through gradients to new weights."""
