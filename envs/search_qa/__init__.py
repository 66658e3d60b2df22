"""Search QA: answering questions by searching a corpus."""
