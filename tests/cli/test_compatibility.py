"""Invocations of version 0.1 keep their meaning, and its errors still exit with 2.

`invocations.json` was written by the argparse parser of 0.1: every invocation in the documents and the
deployment files, and variations of each option. Programs rely on these; change none of them.
"""

import json
from pathlib import Path

import pytest

from muster.cli import main

INVOCATIONS = json.loads(Path(__file__).with_name("invocations.json").read_text())
COMMANDS = {  # the functions of 0.1 and those of today, by module and name
    "serve": "serve.serve", "migrate": "database._migrate", "check": "database._check", "backup": "database._backup",
    "restore": "database._restore", "doctor": "doctor.doctor", "verify": "audit.verify", "demo": "demo.demo",
    "export": "transfer._export", "import": "transfer._import", "keys_create": "keys.create", "keys_list": "keys.list_",
    "keys_rotate": "keys.rotate", "keys_revoke": "keys.revoke", "keys_set": "keys.set_",
    "workspaces_create": "workspaces.create", "workspaces_list": "workspaces.list_", "workspaces_set": "workspaces.set_",
    "admins_create": "admins.create", "admins_invite": "admins.invite", "admins_list": "admins.list_",
}  # fmt: skip
NEW = {"json", "all_", "admin", "resolved", "platform", "connection", "distribute", "dry_run"}
"""Options that 0.1 did not have."""


def _parsed(arguments):
    command, bound = main.parse(arguments)
    bound.apply_defaults()
    module = command.__module__.removeprefix("muster.cli.")
    return f"{module}.{command.__name__}", {
        name: str(value) if isinstance(value, Path) else value
        for name, value in bound.arguments.items()
        if value is not None and name not in NEW
    }


@pytest.mark.parametrize(
    "case", INVOCATIONS, ids=lambda case: " ".join(case["arguments"]) or "alone"
)
def test_an_invocation_keeps_its_meaning(case, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where an invocation that should be rejected does no harm
    if "exit" in case:
        if case["exit"]:
            assert main.main(case["arguments"]) == case["exit"]
            assert capsys.readouterr().out == ""
        else:
            assert main.main(case["arguments"]) == 0
    else:
        command, options = _parsed(case["arguments"])
        assert command == COMMANDS[case["command"]]
        assert options == case["options"]
