"""What a prompt is made of: text alone, or text and images."""
