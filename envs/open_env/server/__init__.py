"""The server's parts: `env_app` has the routes, `hosted_session` plays one environment."""
