"""The RLModules: the Learner's causal LM and the EnvRunner's inference engine."""
