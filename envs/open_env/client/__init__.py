"""The client's parts: an address, a session, what the server's schema says, and a server to start.

`OpenEnvEnv` opens a `PlaySession` at a `ServerAddress`, writes actions with an `ActionWriter` and
reads observations with an `ObservationReader`.
"""
