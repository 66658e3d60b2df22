"""The vLLM engine: all that imports vLLM (0.32)."""
