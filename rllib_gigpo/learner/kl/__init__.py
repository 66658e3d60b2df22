"""The divergence from the reference policy: where it counts, and how much."""
