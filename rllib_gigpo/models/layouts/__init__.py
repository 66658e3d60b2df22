"""The layout of rows that fits a model: what it allows, and what it costs."""
