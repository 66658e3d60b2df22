"""RLlib callbacks: transcripts."""
