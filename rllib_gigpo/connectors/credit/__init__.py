"""Credit connectors: episodes -> rewards -> returns -> anchors -> advantages -> token rows."""
