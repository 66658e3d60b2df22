"""Credit assignment: from the rewards of whole episodes to an advantage for each response token.

Pure functions in NumPy, float64. A row is a (trajectory, step) pair of one batch; rows may come in
any order. The modules in the order of the data flow: penalties, returns, anchors,
group_statistics, advantages, rules; anchor_metrics reports on the result.
"""
