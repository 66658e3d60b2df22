"""Images: raw pixels under a hash, their marks in texts, and their places in prompts and rows."""
