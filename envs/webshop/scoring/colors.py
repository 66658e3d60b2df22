"""WebShop's colour words, used to compare option values."""

from __future__ import annotations

from ..goals import GoalOption

# The order matters: a value is reduced to the first of these words that it contains.
COLOR_WORDS = (
    *("alabaster", "apricot", "aqua", "ash", "asphalt", "azure", "banana", "beige", "black"),
    *("blue", "blush", "bordeaux", "bronze", "brown", "burgundy", "camel", "camo", "caramel"),
    *("champagne", "charcoal", "cheetah", "chestnut", "chocolate", "christmas", "coffee"),
    *("cognac", "copper", "coral", "cranberry", "cream", "crystal", "dark", "denim", "eggplant"),
    *("elephant", "espresso", "fuchsia", "gold", "granite", "grape", "graphite", "grass"),
    *("gray", "green", "grey", "heather", "indigo", "ivory", "ivy", "khaki", "lavender"),
    *("lemon", "leopard", "light", "lilac", "lime", "magenta", "maroon", "mauve", "merlot"),
    *("midnight", "mint", "mocha", "multicolor", "mushroom", "mustard", "natural", "navy"),
    *("nude", "olive", "orange", "peach", "pewter", "pink", "plum", "purple", "rainbow"),
    *("red", "rose", "royal", "rust", "sand", "sapphire", "seashell", "silver", "skull"),
    *("slate", "steel", "stone", "stonewash", "sunflower", "tan", "taupe", "teal", "tiger"),
    *("turquoise", "violet", "walnut", "wheat", "white", "wine", "yellow"),
)


def normalize_color(option: GoalOption) -> GoalOption:
    """Return the first colour word in a value, or the option itself if there is none.

    A pair of name and value contains a word only if one of the two equals it.
    """
    return next((word for word in COLOR_WORDS if word in option), option)
