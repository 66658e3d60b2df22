"""Records that cross borders: what an EnvRunner hands to credit, and credit to the Learners."""
