from functools import cache

import numpy as np
import pytest

from rllib_gigpo.envs.gym_cards.blackjack import BlackjackTextEnv, should_hit


def play(env, actions):
    """Return (reward, terminated, truncated) of each action."""
    return [env.step(action)[1:4] for action in actions]


def at_table(player, dealer, **options):
    env = BlackjackTextEnv(**options)
    env.reset(seed=0)
    env._table.player, env._table.dealer = list(player), list(dealer)
    return env


def test_blackjack_compares_with_a_dealer_who_draws_to_seventeen():
    assert play(at_table([10, 10], [10, 9]), ["stand"]) == [(1.0, True, False)]
    assert play(at_table([10, 9], [10, 9]), ["stand"]) == [(0.0, True, False)]
    assert play(at_table([10, 8], [10, 9]), ["stand"]) == [(0.0, True, False)]
    assert play(at_table([10, 8], [10, 9], loss_reward=-1), ["stand"]) == [(-1.0, True, False)]
    assert play(at_table([10, 10, 5], [2, 3], loss_reward=-1), ["hit"])[0] == (-1.0, True, False)


def test_blackjack_hides_the_dealers_second_card_until_the_end():
    env = at_table([1, 6], [10, 8])
    assert env._text() == "Your cards: A, 6 (sum 17)\nDealer's cards: 10, ?"
    text, _, _, _, info = env.step("stand")
    assert text == "Your cards: A, 6 (sum 17)\nDealer's cards: 10, 8\nYou lose."
    assert (info["won"], info["score"]) == (False, -1.0)


def test_blackjacks_anchor_forgets_which_cards_make_up_the_sum():
    hands = [([10, 6], "hard"), ([7, 9], "hard"), ([1, 5], "soft")]
    anchors = [at_table(cards, [7, 5])._state_info()["anchor"] for cards, _ in hands]
    assert anchors == [
        "sum 16; dealer 7",
        "sum 16; dealer 7",
        "sum 16 with an ace as 11; dealer 7",
    ]


CARDS = {**dict.fromkeys(range(1, 10), 1 / 13), 10: 4 / 13}


def add(total, is_soft, card):
    """Add a card to a hand; an ace counts 11 while that fits."""
    total, is_soft = (total + 11, True) if card == 1 and total <= 10 else (total + card, is_soft)
    return (total - 10, False) if total > 21 and is_soft else (total, is_soft)


@cache
def dealer_ends(total, is_soft):
    """Return the probability of each final sum of the dealer; 0 for a bust."""
    if total >= 17:
        return {total if total <= 21 else 0: 1.0}
    ends = {}
    for card, probability in CARDS.items():
        for end, share in dealer_ends(*add(total, is_soft, card)).items():
            ends[end] = ends.get(end, 0.0) + probability * share
    return ends


@cache
def mean_result(total, is_soft, dealer_card):
    """Return the best mean results of (standing, hitting), by recursion over all cards."""
    ends = dealer_ends(*add(0, False, dealer_card))
    stand = sum(share * np.sign(total - end) for end, share in ends.items())
    hit = 0.0
    for card, probability in CARDS.items():
        following = add(total, is_soft, card)
        hit += probability * (
            -1 if following[0] > 21 else max(mean_result(*following, dealer_card))
        )
    return stand, hit


@pytest.mark.parametrize("dealer_card", range(1, 11))
def test_blackjacks_expert_has_the_best_mean_result_in_every_state(dealer_card):
    states = [(total, False) for total in range(4, 22)] + [(total, True) for total in range(12, 22)]
    for total, is_soft in states:
        stand, hit = mean_result(total, is_soft, dealer_card)
        assert should_hit(total, is_soft, dealer_card) == (hit > stand), (total, is_soft)


def test_blackjacks_expert_wins_more_often_than_a_random_player():
    env, rng = BlackjackTextEnv(), np.random.default_rng(0)

    def wins(choose):
        number = 0
        for seed in range(600):
            _, info = env.reset(seed=seed)
            over = False
            while not over:
                _, _, over, _, info = env.step(choose(info))
            number += info["won"]
        return number

    expert = wins(lambda info: info["expert_action"])
    assert expert > wins(lambda info: str(rng.choice(["hit", "stand"]))) + 40


@pytest.mark.parametrize("loss_reward", [1, float("nan"), "-1"])
def test_a_loss_reward_out_of_range_is_named_with_the_fix(loss_reward):
    with pytest.raises(ValueError, match=r"loss_reward.*from -100 to 0; got.*env_config"):
        BlackjackTextEnv(loss_reward=loss_reward)
