import numpy as np
import pytest

from rllib_gigpo.learner.training_rows import TrainingRows


def test_shards_hold_each_row_once_and_the_global_counts(make_rows):
    rows = make_rows(num_rows=13)
    shards = TrainingRows(rows=rows).shard(num_shards=2, minibatch_size=None)
    parts = [data.rows for data, kwargs in shards if kwargs == {}]
    assert sum(part.num_rows for part in parts) == 13
    tokens = np.sort(np.concatenate([part.token_ids for part in parts]))
    assert tokens.tolist() == np.sort(rows.token_ids).tolist()
    for part in parts:
        assert part.minibatch_token_counts.tolist() == rows.minibatch_token_counts.tolist()


def test_training_data_without_rows_is_an_error():
    with pytest.raises(ValueError, match="rows"):
        TrainingRows().validate()
