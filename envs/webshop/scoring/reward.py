"""The score of a purchase, by how well product, attributes, options and price meet the goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..goals import Goal, GoalOption
from ..products.product import Product
from .colors import normalize_color
from .nouns import NounTagger
from .similarity import is_similar

_NUM_COMMON_CATEGORIES = 2
_GOOD_TITLE, _POOR_TITLE, _TITLE_WITHOUT_NOUNS = 0.2, 0.1, 0.2


@dataclass(frozen=True, slots=True)
class PurchaseScore:
    """A purchase's score and its parts, under WebShop's names.

    Attributes:
        reward: The score, 0 to 1.
        r_type: Factor for the kind of product: 1, 0.5, 0.1 or 0.
        r_att: Share of the goal's attributes that are met.
        r_option: Share of the goal's options that are met; None if it has none.
        r_price: Whether the price is low enough.
        w_att: Weight of the attributes in the sum.
        w_option: Weight of the options; None if the goal has none.
        w_price: Weight of the price.
        query_match: Whether both products were crawled with the same query.
        category_match: Whether their category paths share two parts.
        title_score: Share of the nouns in the goal's title that are also in the bought one's.
    """

    reward: float
    r_type: float
    r_att: float
    r_option: float | None
    r_price: bool
    w_att: float
    w_option: float | None
    w_price: float
    query_match: bool
    category_match: bool
    title_score: float


def score_purchase(
    goal: Goal,
    product: Product,
    options: Mapping[str, str],
    *,
    price: float,
    nouns: NounTagger,
    fix_option_match: bool = False,
) -> PurchaseScore:
    """Return ``r_type * (attributes met + options met + price met) / (their number)``.

    Args:
        goal: The goal, with at least one attribute.
        product: The bought product.
        options: Option name -> chosen value.
        price: The product's price, in dollars.
        nouns: The finder of nouns in titles.
        fix_option_match: Whether to compare values with values. WebShop compares a chosen value
            with the printed pair of name and value of a synthetic goal, so about 5 % of these goals
            cannot be met.
    """
    num_attributes, num_options = len(goal.attributes), len(goal.options)
    attributes_met = sum(_has_attribute(product, wanted) for wanted in goal.attributes)
    wanted_options = map(_value, goal.options) if fix_option_match else goal.options
    options_met = sum(
        _is_chosen(wanted, options, equality_counts=fix_option_match) for wanted in wanted_options
    )
    title_score = _title_score(nouns(product.title), nouns(goal.product.title))
    query_match = product.query == goal.product.query
    category_match = _have_common_category(product, goal.product)
    r_type = _type_factor(query_match or category_match, title_score)
    r_price = price <= goal.price_upper
    total = num_attributes + num_options + 1
    return PurchaseScore(
        reward=r_type * ((attributes_met + options_met + r_price) / total),
        r_type=r_type,
        r_att=attributes_met / num_attributes,
        r_option=options_met / num_options if num_options else None,
        r_price=r_price,
        w_att=num_attributes / total,
        w_option=num_options / total if num_options else None,
        w_price=1 / total,
        query_match=query_match,
        category_match=category_match,
        title_score=title_score,
    )


def _has_attribute(product: Product, wanted: str) -> bool:
    return (
        any(is_similar(attribute, wanted) for attribute in product.attributes)
        or wanted in product.title.lower()
        or wanted in " ".join(product.bullets).lower()
        or wanted in product.description.lower()
    )


def _is_chosen(wanted: GoalOption, options: Mapping[str, str], *, equality_counts: bool) -> bool:
    wanted_color = normalize_color(wanted)
    return any(
        is_similar(normalize_color(chosen), wanted_color) or (equality_counts and chosen == wanted)
        for chosen in options.values()
    )


def _value(option: GoalOption) -> str:
    return option if isinstance(option, str) else option[1]


def _title_score(bought: Sequence[str], wanted: Sequence[str]) -> float:
    """Return the share of ``wanted`` that was bought; repeated nouns count, as in WebShop."""
    if not wanted:
        return _TITLE_WITHOUT_NOUNS
    return len(set(bought) & set(wanted)) / len(wanted)


def _have_common_category(first: Product, second: Product) -> bool:
    parts = [{part.strip() for part in p.product_category.split("›")} for p in (first, second)]
    return len(parts[0] & parts[1]) >= _NUM_COMMON_CATEGORIES


def _type_factor(is_same_kind: bool, title_score: float) -> float:
    if title_score == 0:
        return 0.0
    if title_score < _POOR_TITLE:
        return 0.1
    return 1.0 if is_same_kind or title_score > _GOOD_TITLE else 0.5
