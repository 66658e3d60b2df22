import pkgutil
import subprocess
import sys

import rllib_gigpo.credit


def test_credit_imports_nothing_heavy():
    found = pkgutil.walk_packages(rllib_gigpo.credit.__path__, "rllib_gigpo.credit.")
    imports = "; ".join(f"import {module.name}" for module in found)
    heavy = "{'ray', 'torch', 'vllm', 'transformers', 'rapidfuzz', 'pydantic'}"
    code = f"import sys; {imports}; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
