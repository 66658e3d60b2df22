"""How a model is spread over the Learners: whole on one, a copy on each, or in shards."""
