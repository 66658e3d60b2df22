"""Number and card games: NumberLine, EZPoints, Points24 and Blackjack, in text and as pictures."""
