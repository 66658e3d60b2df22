"""The catalogue of a shop, read from WebShop's files or generated."""
