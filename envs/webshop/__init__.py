"""WebShop (arXiv 2207.01206) as text: search a shop, choose options, buy what the goal asks for.

The way of a step: ``env`` reads the action, ``session`` moves between ``pages``, ``shop`` answers
searches (``search``, ``bm25``, ``analyzer``) over the ``catalogue`` of ``products``, and ``reward``
scores the purchase against one of the ``goals``.
"""
