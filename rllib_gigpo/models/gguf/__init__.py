"""GGUF files as Hugging Face folders: read with transformers, compared with gguf's own reading."""
