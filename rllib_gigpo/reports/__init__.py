"""Reports for people: results, figures and transcripts of a run, and tables of its settings."""
