"""Number and card games in text and pictures: NumberLine, EZPoints, Points24 and Blackjack."""
