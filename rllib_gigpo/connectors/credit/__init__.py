"""Episodes -> rewards -> returns -> anchors -> advantages -> token rows, one per file."""
