"""The vLLM engine (vLLM 0.32); only this folder imports vllm."""
