"""The divergence from the reference policy: where it enters, and its weight."""
