"""Hugging Face models and tokenizers: opened from a folder, or built tiny from scratch."""
