"""GiGPO on NumberLine as pictures, following verl-agent's run with Qwen2-VL-2B-Instruct.

Set QWEN_VL_PATH to Qwen2-VL-2B-Instruct to use the same model; the published configuration here is
that of Qwen2.5-VL-3B-Instruct. numberline_gigpo_qwen.py and ezpoints_gigpo_vlm_qwen.py name the
other differences.
"""

from rllib_gigpo.recipes import experiment, on_pictures

numberline = experiment("numberline_gigpo_qwen.py", beside=__file__)
config, stop = on_pictures(numberline.config, beside=__file__), numberline.stop
