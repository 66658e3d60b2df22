"""The words of the generated catalogue: kinds of products, their options and features."""

from __future__ import annotations

from dataclasses import dataclass

_COLORS = ("black", "white", "navy", "olive", "red", "teal", "purple", "beige", "light gray")
_SIZES = ("small", "medium", "large", "x-large")
_SHOE_SIZES = ("7", "8", "9", "10", "11")
_SCENTS = ("lavender", "vanilla", "citrus", "eucalyptus", "unscented")
_FLAVORS = ("peach", "ginger", "lemon", "cinnamon", "hazelnut", "original")
_PACKS = ("pack of 1", "pack of 3", "pack of 6")
_LENGTHS = ("3 feet", "6 feet", "10 feet")

_CLOTHING = (
    *("machine wash", "quick drying", "moisture wicking", "classic fit", "button closure"),
    *("long sleeve", "elastic waist", "water resistant", "soft lining", "reinforced seams"),
)
_COSMETICS = (
    *("cruelty free", "paraben free", "fragrance balanced", "plant based", "dermatologist tested"),
    *("travel sized", "long lasting", "coconut oil", "shea butter", "fast absorbing"),
)
_FURNISHING = (
    *("easy assembly", "solid wood", "space saving", "stain resistant", "machine washable"),
    *("hand woven", "living room", "energy efficient", "non slip", "eco friendly"),
)
_FOOD = (
    *("gluten free", "sugar free", "non gmo", "kosher certified", "high fiber"),
    *("artificial flavor free", "resealable bag", "fair trade", "dairy free", "small batch"),
)
_DEVICES = (
    *("fast charging", "wireless charging", "noise cancelling", "aluminum alloy", "tangle free"),
    *("shock absorbing", "foldable design", "plug play", "high speed", "scratch proof"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of product.

    Attributes:
        category: The department's short name, as in WebShop.
        path: The path in the store.
        query: The query that finds it.
        options: Option name -> all values that products of the kind may have.
        features: Features that such products may have.
        dollars: A typical price.
    """

    category: str
    path: str
    query: str
    options: dict[str, tuple[str, ...]]
    features: tuple[str, ...]
    dollars: int


def _fashion(query: str, group: str, sizes: tuple[str, ...], dollars: int) -> Kind:
    path = f"Clothing, Shoes & Jewelry › {group} › {query.title()}"
    return Kind("fashion", path, query, {"Color": _COLORS, "Size": sizes}, _CLOTHING, dollars)


def _beauty(query: str, group: str, dollars: int) -> Kind:
    path = f"Beauty & Personal Care › {group} › {query.title()}"
    return Kind("beauty", path, query, {"Scent": _SCENTS, "Size": _PACKS}, _COSMETICS, dollars)


def _garden(query: str, group: str, dollars: int) -> Kind:
    path = f"Home & Kitchen › {group} › {query.title()}"
    return Kind("garden", path, query, {"Color": _COLORS, "Size": _SIZES}, _FURNISHING, dollars)


def _grocery(query: str, group: str, dollars: int) -> Kind:
    path = f"Grocery & Gourmet Food › {group} › {query.title()}"
    return Kind("grocery", path, query, {"Flavor": _FLAVORS, "Size": _PACKS}, _FOOD, dollars)


def _electronics(query: str, group: str, options: dict[str, tuple[str, ...]], dollars: int) -> Kind:
    path = f"Electronics › {group} › {query.title()}"
    return Kind("electronics", path, query, options, _DEVICES, dollars)


KINDS = (
    _fashion("polo shirts", "Shirts", _SIZES, 24),
    _beauty("lip balms", "Skin Care", 6),
    _garden("throw pillows", "Bedding", 18),
    _grocery("herbal teas", "Beverages", 9),
    _electronics("phone cases", "Accessories", {"Color": _COLORS}, 14),
    _fashion("running sneakers", "Footwear", _SHOE_SIZES, 62),
    _beauty("face creams", "Skin Care", 21),
    _garden("desk lamps", "Lighting", 33),
    _grocery("granola bars", "Snacks", 12),
    _electronics("usb cables", "Accessories", {"Color": _COLORS[:3], "Length": _LENGTHS}, 8),
    _fashion("rain jackets", "Outerwear", _SIZES, 58),
    _beauty("hair conditioners", "Hair Care", 13),
    _garden("area rugs", "Decor", 84),
    _grocery("roasted coffees", "Beverages", 17),
    _electronics("bluetooth earbuds", "Audio", {"Color": _COLORS[:5]}, 45),
    _fashion("wool socks", "Footwear", _SIZES, 11),
    _beauty("bath soaps", "Bath", 7),
    _garden("wall shelves", "Storage", 41),
    _grocery("pasta sauces", "Pantry", 8),
    _electronics("tablet stands", "Accessories", {"Color": _COLORS[:4]}, 26),
)
"""The kinds of product, in the order of generation."""

BRANDS = (
    *("Norvale", "Quillon", "Tamrick", "Osterby", "Velmora", "Harrowin", "Lumisk", "Cadewell"),
    *("Brindlow", "Pelorin", "Zephrin", "Dovecrest", "Marlunt", "Istrano", "Fenwyke", "Corvanta"),
)
MODELS = (
    *("Aster", "Birch", "Comet", "Delta", "Ember", "Falcon", "Glacier", "Harbor", "Iris"),
    *("Juniper", "Kestrel", "Lotus", "Meadow", "Nimbus", "Orbit", "Prairie", "Quartz", "Ridge"),
)
