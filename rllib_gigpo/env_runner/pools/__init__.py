"""The environments of an EnvRunner: in slots, stepped on its thread, in threads or in processes."""
