"""Search QA: questions that are answered by searching a corpus."""
