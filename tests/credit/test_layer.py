import subprocess
import sys

MODULES = [
    "advantages",
    "anchor_metrics",
    "anchors",
    "group_statistics",
    "minibatches",
    "penalties",
    "returns",
    "reward_normalization",
    "rules",
    "text_similarity",
    "token_rows",
]


def test_credit_imports_neither_ray_nor_torch_nor_vllm_nor_transformers_nor_pydantic():
    imports = "; ".join(f"import rllib_gigpo.credit.{name}" for name in MODULES)
    heavy = "{'ray', 'torch', 'vllm', 'transformers', 'rapidfuzz', 'pydantic'}"
    code = f"import sys; {imports}; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
