"""The transfer of new weights from the Learner to every engine."""
