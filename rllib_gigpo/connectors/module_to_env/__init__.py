"""Module-to-env connectors: response token ids -> text -> parsed action -> action of the space."""
