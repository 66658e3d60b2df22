"""Models of text and images: what each family does with an image, from pixels to hidden states."""
