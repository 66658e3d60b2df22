"""What tests ask of all Learners of a group."""


def of_each(group, read):
    """Call a function with each Learner; raise its errors."""
    return [result.get() for result in group.foreach_learner(read)]
