"""Reading WebShop's files, making goals from them, and splitting goals into train and test."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from rllib_gigpo.envs.webshop.goal_split import FIRST_TEST_SEED, GoalSplit
from rllib_gigpo.envs.webshop.goals import human_goals, synthetic_goals
from rllib_gigpo.envs.webshop.products.fields import CatalogueError
from rllib_gigpo.envs.webshop.products.product_catalogue import read_catalogue
from rllib_gigpo.envs.webshop.products.synthetic_products import synthetic_files
from rllib_gigpo.envs.webshop.shop import ShopSettings, open_shop

MUG = {
    "asin": "B000000MUG",
    "name": "Blue Mug",
    "category": "garden",
    "query": " Mugs ",
    "product_category": "Home \u203a Kitchen",
    "full_description": "",
    "small_description": "Holds tea",
    "pricing": "$1,009.50$12.00$99.00",
    "customization_options": {"Color": [{"value": " Red/Blue "}, {"value": "Red"}], "Old": None},
}
MUG_ATTRIBUTES = {
    "attributes": ["dishwasher safe", "hand made"],
    "instruction": "Find me mugs",
    "instruction_attributes": ["hand made"],
}


def read(*records, attributes=None):
    return read_catalogue(
        records, attributes or {}, items_file="items.json", attributes_file="attributes.json"
    )


def only_product(**fields):
    [product] = read({**MUG, **fields}).products
    return product


def test_a_record_becomes_a_product():
    product = only_product()
    assert product.title == "Blue Mug"
    assert product.query == "mugs"
    assert product.bullets == ("Holds tea",)
    assert product.options == {"color": ("red | blue", "red")}
    assert product.attributes == ("DUMMY_ATTR",)
    assert (product.price_range, product.price_tag) == ((1009.5, 12.0), "$1009.5 to $12.0")


@pytest.mark.parametrize("pricing", ["", None])
def test_a_product_without_a_price_costs_100(pricing):
    product = only_product(pricing=pricing)
    assert (product.price_range, product.price_tag) == ((100.0,), "$100.0")


def test_repeated_products_and_those_without_a_number_are_left_out():
    others = [{**MUG, "name": "Again"}, {**MUG, "asin": "nan"}, {**MUG, "asin": "B" * 11}]
    assert [product.title for product in read(MUG, *others).products] == ["Blue Mug"]


@pytest.mark.parametrize(
    "field",
    sorted(set(MUG) - {"asin", "pricing"}),
)
def test_a_missing_field_is_named_with_its_file_and_product(field):
    record = {key: value for key, value in MUG.items() if key != field}
    with pytest.raises(CatalogueError, match=rf"items.json: product 'B000000MUG': .*'{field}'"):
        read(record)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 3),
        ("small_description", [None]),
        ("customization_options", {"Color": [{"name": "red"}]}),
        ("customization_options", ["red"]),
        ("pricing", "9.99"),
        ("pricing", "$$"),
        ("pricing", 9.99),
    ],
)
def test_a_field_of_a_wrong_type_is_named(field, value):
    with pytest.raises(CatalogueError, match=rf"items.json: product 'B000000MUG': .*'{field}'"):
        read({**MUG, field: value})


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"name": "x"}, "field 'asin' is missing"),
        ({"asin": None}, "field 'asin' is NoneType, not text"),
        ("text", "expected an object with fields, got str"),
    ],
)
def test_a_record_without_a_number_is_named_by_its_position(record, complaint):
    with pytest.raises(CatalogueError, match=rf"items.json: product number 1: {complaint}"):
        read(MUG, record)


def test_attributes_of_a_wrong_type_are_named():
    with pytest.raises(CatalogueError, match=r"attributes.json: product 'B000000MUG': .*'attrib"):
        read(MUG, attributes={MUG["asin"]: {"attributes": "hand made"}})


def test_synthetic_goals_combine_all_options():
    attributes = {MUG["asin"]: MUG_ATTRIBUTES}
    catalogue = read({**MUG, "pricing": "$35"}, attributes=attributes)
    goals = synthetic_goals(catalogue, attributes, attributes_file="attributes.json")
    assert {goal.options for goal in goals} == {
        (("color", "red | blue"),),
        (("color", "red"),),
    }
    assert {goal.price_upper for goal in goals} <= {50.0, 60.0, 70.0}  # two of 40, 50, 60, 70
    [plain] = [goal for goal in goals if goal.options == (("color", "red"),)]
    cap = f"{plain.price_upper:.2f}"
    expected = f"Find me mugs with color: red, and price lower than {cap} dollars"
    assert plain.instruction == expected
    assert plain.weight == 0.5  # one attribute, which two goals ask for


def test_price_caps_are_the_larger_of_two_of_the_four_nearest():
    attributes = {f"B{number}": MUG_ATTRIBUTES for number in range(40)}
    records = [{**MUG, "asin": asin, "pricing": "$40"} for asin in attributes]
    goals = synthetic_goals(read(*records), attributes, attributes_file="attributes.json")
    assert {goal.price_upper for goal in goals} == {60.0, 70.0, 80.0}  # of 50, 60, 70, 80


def test_a_price_near_the_highest_cap_has_none():
    attributes = {MUG["asin"]: MUG_ATTRIBUTES}
    catalogue = read({**MUG, "pricing": "$985"}, attributes=attributes)
    goals = synthetic_goals(catalogue, attributes, attributes_file="attributes.json")
    assert {goal.price_upper for goal in goals} == {1_000_000.0}
    assert all("price" not in goal.instruction for goal in goals)


def test_human_goals_are_read_as_they_were_written():
    entry = {
        "instruction": "i want a mug.",
        "instruction_attributes": ["hand made"],
        "instruction_options": ["red"],
    }
    without_attributes = {**entry, "instruction_attributes": []}
    catalogue = read({**MUG, "pricing": "$35"})
    [goal] = human_goals(
        catalogue, {MUG["asin"]: [entry, without_attributes]}, instructions_file="human.json"
    )
    assert goal.instruction.startswith("i want a mug, and price lower than ")
    assert (goal.attributes, goal.options, goal.weight) == (("hand made",), ("red",), 1.0)


@pytest.mark.parametrize("field", ["instruction", "instruction_attributes", "instruction_options"])
def test_a_broken_human_goal_is_named(field):
    entry = {"instruction": "x", "instruction_attributes": ["y"], "instruction_options": []}
    del entry[field]
    with pytest.raises(CatalogueError, match=rf"human.json: product 'B000000MUG': .*'{field}'"):
        human_goals(read(MUG), {MUG["asin"]: [entry]}, instructions_file="human.json")


def test_a_human_goal_that_is_no_object_is_named():
    message = r"human.json: product 'B000000MUG': expected an object with fields, got str"
    with pytest.raises(CatalogueError, match=message):
        human_goals(read(MUG), {MUG["asin"]: ["a mug"]}, instructions_file="human.json")


@pytest.mark.parametrize("attributes", [None, [], "text", [1]])
def test_an_instruction_without_attributes_is_an_error(attributes):
    entry = {"instruction": "Find me", "instruction_attributes": attributes}
    with pytest.raises(CatalogueError, match=r"a.json: product 'B000000MUG'.*instruction_attrib"):
        synthetic_goals(read(MUG), {MUG["asin"]: entry}, attributes_file="a.json")


def test_files_that_do_not_belong_together_are_an_error():
    with pytest.raises(CatalogueError, match=r"a.json has no goal for the products"):
        synthetic_goals(read(MUG), {"B1": MUG_ATTRIBUTES}, attributes_file="a.json")


def test_train_and_test_goals_are_disjoint_for_all_seeds():
    split = open_shop(ShopSettings()).goals
    train = {split.goal(seed).instruction for seed in range(5000)}
    test = [split.goal(FIRST_TEST_SEED + seed) for seed in range(500)]
    assert test == list(split.test)
    assert train.isdisjoint(goal.instruction for goal in test)
    drawn = {split.draw(random.Random(seed)).instruction for seed in range(200)}
    assert drawn <= train


def test_consecutive_seeds_name_different_goals():
    split = open_shop(ShopSettings()).goals
    num_goals = len(split.train)
    assert [split.goal(seed) for seed in range(num_goals)] == list(split.train)
    assert split.goal(num_goals) is split.goal(0)


def test_goals_are_drawn_by_their_weights():
    attributes = {"B1": {**MUG_ATTRIBUTES, "instruction_attributes": ["rare"]}}
    attributes |= {f"B{n}": MUG_ATTRIBUTES for n in range(2, 12)}
    records = [{**MUG, "asin": asin, "customization_options": {}} for asin in attributes]
    catalogue = read(*records, attributes=attributes)
    goals = synthetic_goals(catalogue, attributes, attributes_file="a.json")
    goals.sort(key=lambda goal: goal.product.asin == "B1")
    split = GoalSplit(goals, num_test_goals=1)
    rng = random.Random(0)
    drawn = Counter(split.draw(rng).product.asin for _ in range(2000))
    assert drawn["B1"] / 2000 == pytest.approx(1 / 1.9, abs=0.05)  # a weight of 1 and nine of 1/10


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (0, "num_test_goals must be a whole number of at least 1; got 0"),
        (10**6, r"num_test_goals=1000000 of \d+ goals leaves none for training"),
    ],
)
def test_a_split_that_leaves_nothing_is_an_error(number, what):
    with pytest.raises(ValueError, match=what):
        open_shop(ShopSettings(num_products=20, num_test_goals=number))


def write_files(folder: Path, **contents):
    for name, content in contents.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return {f"{name}_file": str(folder / f"{name}.json") for name in contents}


@pytest.mark.parametrize("goals", ["synthetic", "human"])
def test_the_generated_shop_has_the_format_of_the_files(tmp_path, goals):
    items, attributes, instructions = synthetic_files(num_products=40, seed=3)
    files = write_files(tmp_path, items=items, attributes=attributes, instructions=instructions)
    if goals == "synthetic":
        del files["instructions_file"]
    read_shop = open_shop(ShopSettings(goals=goals, **files, num_test_goals=9))
    made_shop = open_shop(
        ShopSettings(goals=goals, num_products=40, catalogue_seed=3, num_test_goals=9)
    )
    assert read_shop.catalogue.products == made_shop.catalogue.products
    assert read_shop.goals.train == made_shop.goals.train


def test_a_byte_order_mark_at_the_start_of_a_file_is_no_part_of_it(tmp_path):
    items, attributes, _ = synthetic_files(num_products=10, seed=0)
    files = write_files(tmp_path, items=items, attributes=attributes)
    before = open_shop(ShopSettings(**files)).catalogue.products
    marked = write_files(
        tmp_path, i=f"\ufeff{json.dumps(items)}", a=f"\ufeff{json.dumps(attributes)}"
    )
    settings = ShopSettings(items_file=marked["i_file"], attributes_file=marked["a_file"])
    assert open_shop(settings).catalogue.products == before


def test_halves_of_surrogate_pairs_in_a_file_are_replaced():
    half = "x\ud83d"
    texts = dict.fromkeys(("name", "query", "full_description", "small_description"), half)
    options = {half: [{"value": half}]}
    [product] = read({**MUG, **texts, "customization_options": options}).products
    [listed] = read({**MUG, "small_description": [half]}).products
    shown = (product.title, product.query, product.description, *product.bullets, *listed.bullets)
    assert {*shown, *product.options, *product.options["x?"]} == {"x?"}


def test_a_longer_generated_catalogue_begins_like_a_shorter_one():
    for short, long in zip(
        synthetic_files(num_products=7, seed=0),
        synthetic_files(num_products=30, seed=0),
        strict=True,
    ):
        assert list(short) == list(long)[:7]
    assert synthetic_files(num_products=7, seed=0) != synthetic_files(num_products=7, seed=1)


def test_only_the_first_products_of_a_file_are_read(tmp_path):
    items, attributes, _ = synthetic_files(num_products=30, seed=0)
    files = write_files(tmp_path, items=items, attributes=attributes)
    shop = open_shop(ShopSettings(**files, num_products=20, num_test_goals=5))
    assert [p.asin for p in shop.catalogue.products] == [item["asin"] for item in items[:20]]


def test_a_shop_is_opened_once_per_process():
    settings = {"num_products": 25, "num_test_goals": 10}
    assert open_shop(ShopSettings(**settings)) is open_shop(ShopSettings(**settings))


@pytest.mark.parametrize(
    ("items", "attributes", "message"),
    [
        (None, {}, "items.json cannot be read"),
        ("{", {}, "items.json is not JSON"),
        ("[" * 100_000, {}, "items.json is not JSON"),
        ({}, {}, "items.json contains a dict, not a list as WebShop's file does"),
        ([], {}, "items.json contains no products"),
        ([MUG], [], "attributes.json contains a list"),
        ([MUG], {"B1": []}, "attributes.json: product 'B1' has an entry of type list, not dict"),
    ],
)
def test_broken_files_are_named(tmp_path, items, attributes, message):
    contents = (
        {"attributes": attributes} if items is None else {"items": items, "attributes": attributes}
    )
    write_files(tmp_path, **contents)
    settings = ShopSettings(
        items_file=str(tmp_path / "items.json"),
        attributes_file=str(tmp_path / "attributes.json"),
    )
    with pytest.raises(CatalogueError, match=message):
        open_shop(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"goals": "easy"}, "goals must be"),
        ({"num_products": 0}, "num_products must be a whole number of at least 1"),
        ({"items_file": "x"}, "attributes_file must be given"),
        ({"attributes_file": "x"}, "items_file must be given"),
        (
            {"goals": "human", "items_file": "x", "attributes_file": "y"},
            "instructions_file must be given",
        ),
        (
            {"items_file": "x", "attributes_file": "y", "instructions_file": "z"},
            "instructions_file needs goals='human'",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        open_shop(ShopSettings(**settings))
