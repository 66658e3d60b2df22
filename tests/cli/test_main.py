from rllib_gigpo.cli import envs
from rllib_gigpo.cli.main import main


def test_ctrl_c_ends_a_command_without_a_traceback(monkeypatch, capsys):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(envs, "run", interrupted)
    assert main(["envs"]) == 130
    assert capsys.readouterr().err == "rllib: interrupted\n"
