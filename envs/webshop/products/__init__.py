"""The catalogue of a shop, from the files of WebShop or generated."""
