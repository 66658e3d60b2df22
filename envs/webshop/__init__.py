"""WebShop (arXiv 2207.01206) as text: search a shop, choose options, buy what the goal asks for.

A step: ``webshop_env`` takes the action, ``session`` parses it and moves between ``pages``,
``search`` finds products in the catalogue (``products``), and ``scoring`` scores the purchase
against one of the ``goals``. ``shop`` holds what all sessions of a process share.
"""
