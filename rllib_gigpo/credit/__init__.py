"""Credit: from the rewards of whole episodes to an advantage for each response token.

NumPy only, float64, pure functions. Rows are (trajectory, step) pairs of one batch, in any order.
The files in the order of a row's way: penalties, returns, anchors, group_statistics, advantages,
rules, minibatches, token_rows; anchor_metrics reports on the way.
"""
