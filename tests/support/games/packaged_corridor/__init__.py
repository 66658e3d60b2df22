"""A corridor laid out as an OpenEnv package; without openenv, our own server is its application."""
