"""Hugging Face models and tokenizers: opening them from a folder, and building a tiny one."""
