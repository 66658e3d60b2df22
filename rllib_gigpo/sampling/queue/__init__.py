"""One queue of groups for all players: EnvRunners that die, hang or are slow, and a thread."""
