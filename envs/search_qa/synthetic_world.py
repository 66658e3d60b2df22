"""A made-up world of people, towns and companies, with questions of one to three hops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from .questions import Question, QuestionSplit
from .retrieval import BM25Retriever, Passage

DATASET = "synthetic"
_PRODUCTS = (
    *("boats", "boots", "bricks", "candles", "carpets", "clocks", "drums", "flutes"),
    *("gloves", "hats", "jars", "knives", "lamps", "mirrors", "nets", "pianos"),
)
# Words of the pattern CVCVC, with endings that no stemmer cuts off.
_ONSETS, _VOWELS, _CODAS = "bdfgklmnprstvz", "aeiou", "klmnrt"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeSpec:
    """A specification of a world; equal specifications give equal worlds.

    Attributes:
        num_people: Number of people, 20 to 2,000; there are a fifth as many towns, and as many
            companies as towns.
        num_hops: Number of passages that an answer needs, 1, 2 or 3; each takes its own search.
        seed: The seed of the world; the seeds of ``reset`` pick questions within one world.
    """

    num_people: int = 400
    num_hops: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        for name, lowest, highest in (
            ("num_people", 20, 2000),
            ("num_hops", 1, 3),
            ("seed", 0, 2**63 - 1),
        ):
            value = getattr(self, name)
            if type(value) is not int or not lowest <= value <= highest:
                raise ValueError(
                    f"synthetic has {name}={value!r}. "
                    f"Use a whole number from {lowest} to {highest}."
                )

    @classmethod
    def create(cls, options: Mapping[str, Any]) -> KnowledgeSpec:
        """Make a specification from plain values.

        Raises:
            ValueError: An option is unknown or out of range.
        """
        known = [option.name for option in fields(cls)]
        if not isinstance(options, Mapping) or not set(options) <= set(known):
            raise ValueError(
                f"synthetic is {options!r}. Use a dict with keys from {', '.join(known)}."
            )
        return cls(**options)


@dataclass(frozen=True)
class KnowledgeBase:
    """Passages, each about one entity, and questions about them."""

    passages: tuple[Passage, ...]
    questions: QuestionSplit
    mentions: Mapping[str, tuple[str, ...]] = field(repr=False)  # title -> entities in its passage

    @cached_property
    def retriever(self) -> BM25Retriever:
        """The retriever over the passages."""
        return BM25Retriever(self.passages)


@lru_cache(maxsize=4)
def knowledge_base(spec: KnowledgeSpec) -> KnowledgeBase:
    """Generate a world, once per process."""
    rng = np.random.default_rng([spec.seed, spec.num_people])
    facts = _Facts.draw(rng, spec.num_people)
    passages, mentions = facts.passages()
    made = [make(facts, person) for make in _QUESTIONS[spec.num_hops] for person in facts.people]
    questions = [
        Question(f"{DATASET}-{number}", text, (answer,), DATASET, hops)
        for number, (text, answer, hops) in enumerate(made)
        # Some people work where they were born; an answer must not be in an earlier passage.
        if not any(answer in mentions[title] for title in hops[:-1])
    ]
    shuffled = [questions[index] for index in rng.permutation(len(questions))]
    return KnowledgeBase(passages, QuestionSplit.hold_out(shuffled), mentions)


@dataclass(frozen=True, slots=True)
class _Facts:
    """The relations between the entities, by name."""

    people: Mapping[str, tuple[str, str]]  # -> town of birth, employer
    towns: Mapping[str, tuple[str, str]]  # -> region, river
    companies: Mapping[str, tuple[str, str]]  # -> town, product

    @classmethod
    def draw(cls, rng: np.random.Generator, num_people: int) -> _Facts:
        num_towns = num_people // 5
        words = iter(_words(rng, num_people + num_people // 10 + 2 * num_towns + 16))
        given_names, regions, rivers, towns, companies, families = (
            [next(words) for _ in range(number)]
            for number in (num_people // 10, 8, 8, num_towns, num_towns, num_people)
        )
        people = [f"{given_names[n % len(given_names)]} {name}" for n, name in enumerate(families)]

        def relate(names: list[str], firsts: Any, seconds: Any) -> dict[str, tuple[str, str]]:
            return {name: (_pick(rng, firsts), _pick(rng, seconds)) for name in names}

        return cls(
            people=relate(people, towns, companies),
            towns=relate(towns, regions, rivers),
            companies=relate(companies, towns, _PRODUCTS),
        )

    def passages(self) -> tuple[tuple[Passage, ...], dict[str, tuple[str, ...]]]:
        """Return the passages, and the entities that each of them names."""
        sentences = (
            ("person", self.people, "{} was born in {} and works for {}."),
            ("town", self.towns, "{} is a town in {} on the river {}."),
            ("company", self.companies, "{} is a company in {} that makes {}."),
        )
        passages = tuple(
            Passage(f"{kind}-{number}", name, sentence.format(name, *relations[name]))
            for kind, relations, sentence in sentences
            for number, name in enumerate(relations)
        )
        return passages, {
            name: (name, *related)
            for _, relations, _ in sentences
            for name, related in relations.items()
        }


def _words(rng: np.random.Generator, number: int) -> list[str]:
    """Draw distinct capitalised words."""
    letters = (_ONSETS, _VOWELS, _ONSETS, _VOWELS, _CODAS)
    words: dict[str, None] = {}
    while len(words) < number:
        word = "".join(_pick(rng, choice) for choice in letters)
        words[word.capitalize()] = None
    return list(words)


def _pick(rng: np.random.Generator, choices: Any) -> str:
    return choices[int(rng.integers(len(choices)))]


_Hop = tuple[str, str, tuple[str, ...]]  # question, answer, titles of the supporting passages


def _birthplace(facts: _Facts, person: str) -> _Hop:
    return f"Where was {person} born?", facts.people[person][0], (person,)


def _employer(facts: _Facts, person: str) -> _Hop:
    return f"Which company does {person} work for?", facts.people[person][1], (person,)


def _region_of_birth(facts: _Facts, person: str) -> _Hop:
    town = facts.people[person][0]
    return f"In which region was {person} born?", facts.towns[town][0], (person, town)


def _river_of_birth(facts: _Facts, person: str) -> _Hop:
    town = facts.people[person][0]
    return f"On which river was {person} born?", facts.towns[town][1], (person, town)


def _product_of_employer(facts: _Facts, person: str) -> _Hop:
    company = facts.people[person][1]
    text = f"What does the employer of {person} make?"
    return text, facts.companies[company][1], (person, company)


def _seat_of_employer(facts: _Facts, person: str) -> _Hop:
    company = facts.people[person][1]
    text = f"In which town is the employer of {person}?"
    return text, facts.companies[company][0], (person, company)


def _region_of_employer(facts: _Facts, person: str) -> _Hop:
    _, town, hops = _seat_of_employer(facts, person)
    return f"In which region is the employer of {person}?", facts.towns[town][0], (*hops, town)


def _river_of_employer(facts: _Facts, person: str) -> _Hop:
    _, town, hops = _seat_of_employer(facts, person)
    return f"On which river is the employer of {person}?", facts.towns[town][1], (*hops, town)


_QUESTIONS: dict[int, tuple[Callable[[_Facts, str], _Hop], ...]] = {
    1: (_birthplace, _employer),
    2: (_region_of_birth, _river_of_birth, _product_of_employer, _seat_of_employer),
    3: (_region_of_employer, _river_of_employer),
}
