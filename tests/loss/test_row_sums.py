import torch

from rllib_gigpo.loss.row_sums import mean_per_row, sum_per_row

VALUES = torch.tensor([1.0, 2.0, 4.0, 8.0])
# Row ids may be out of order and have gaps.
ROWS = torch.tensor([7, 3, 7, 7])


def test_each_token_gets_the_sum_and_the_mean_of_its_row():
    assert sum_per_row(VALUES, ROWS).tolist() == [13.0, 2.0, 13.0, 13.0]
    torch.testing.assert_close(
        mean_per_row(VALUES, ROWS), torch.tensor([13 / 3, 2, 13 / 3, 13 / 3])
    )


def test_no_tokens_have_no_sums():
    assert sum_per_row(VALUES[:0], ROWS[:0]).shape == (0,)
