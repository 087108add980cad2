"""The command as a whole: errors, exit codes, help, completion, and pipes."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from muster.cli import main
from tests.support.server import Server
from tests.support.waiting import until

GUIDE = (Path(__file__).parents[2] / "docs" / "how-to" / "command-line.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["keys", "create", "--name", "x", "--permission", "Fly"],
            "Configure Open ID Connector & SCIM",
        ),
        (["keys", "create", "--name", "x", "--workspace", "nosuch"], "Workspaces: default"),
        (["keys", "create", "--name", "x", "--database", "mysql://x"], "sqlite:///relative.db"),
        (["migrate", "--database", "postgresql://muster:a/b@127.0.0.1:1/m"], "percent-encode"),
        (["migrate", "--database", "postgresql://muster:a@b@127.0.0.1:1/m"], "percent-encode"),
        (["migrate", "--database", "postgresql://muster:1/b@127.0.0.1/m"], "percent-encode"),
        (["migrate", "--database", "postgresql://muster:a?b@127.0.0.1:1/m"], "percent-encode"),
        (["migrate", "--database", "postgresql://muster:a#b@127.0.0.1:1/m"], "percent-encode"),
        (["keys", "revoke", "nosuch"], "no key 'nosuch'"),
        (["workspaces", "create", "No Such Name"], "lower-case"),
        (["workspaces", "create", "x", "--contract", "soap"], "rfc7644"),
        (["serve", "--port", "99999"], "--port must be at most 65,535"),
        (["serve", "--host", "203.0.113.9"], "cannot listen on 203.0.113.9"),
        (
            ["migrate", "--database", "sqlite:////nosuch/folder/m.db"],
            "cannot open /nosuch/folder/m.db: no such file or directory",
        ),
        (["serve", "--workers", "many"], "--workers"),
        (["demo", "--users", "0"], "1 or more"),
        (["nosuch"], "serve"),
        (["key"], "unknown command 'key'; did you mean 'keys'?"),
        (["keys", "nosuch"], "create"),
        (["keys"], "choose a command of muster keys"),
        (["keys", "revoke"], "KEY is required"),
        (["keys", "list", "extra"], "unexpected argument 'extra'"),
        (["keys", "create", "--name"], "--name needs a value"),
        (["keys", "create"], 'See "muster keys create --help"'),
        (["serve", "--nosuch"], "--nosuch"),
    ],
)
def test_a_wrong_word_is_named_with_the_allowed_ones(muster, process, arguments, says):
    run = process if arguments[0] == "serve" else muster
    refused = run(*arguments, check=False)
    assert refused.returncode in (1, 2)
    assert refused.stdout == ""
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_settings_from_environment_and_file(tmp_path):
    server = Server(tmp_path, MUSTER_CONTRACT="cortex")
    (tmp_path / "muster.toml").write_text("strict_mode = true\n")
    assert (
        "unknown setting 'strict_mode' in muster.toml. Settings: host, port"
        in server.muster("workspaces", "list", check=False).stderr
    )
    (tmp_path / "muster.toml").write_text('contract = "rfc7644"\nrate_limit = "lots"\n')
    assert server.muster("migrate", check=False).stderr == (
        "muster: rate_limit in muster.toml must be a whole number\n"
    )
    (tmp_path / "muster.toml").write_text('trusted_proxies = "10.0.0.0/8, proxy"\n')
    assert "muster: trusted_proxies in muster.toml " in server.muster("migrate", check=False).stderr
    (tmp_path / "muster.toml").write_text("rate_limit = 5\n")
    server.muster("keys", "create", "--name", "x")
    assert server.muster("workspaces", "list").stdout.split("\t")[:2] == ["default", "cortex"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'port = "a\n', "muster: muster.toml is not a TOML file: "),
        (b"\xff = 1\n", "muster: muster.toml is not a TOML file: "),
        (b"workers = 0\n", "muster: workers in muster.toml must be at least 1\n"),
        (b'contract = "soap"\n', "muster: contract in muster.toml must be 'rfc7644' or 'cortex'\n"),
        (b"form_seconds = 'x'\n", "muster: form_seconds in muster.toml must be a number\n"),
    ],
)
def test_a_wrong_file_of_settings_is_said(tmp_path, content, said):
    server = Server(tmp_path)
    (tmp_path / "muster.toml").write_bytes(content)
    done = server.muster("migrate", check=False)
    assert (done.returncode, done.stderr[: len(said)]) == (2, said)


def test_a_wrong_variable_is_named(tmp_path):
    done = Server(tmp_path, MUSTER_WORKERS="many").muster("migrate", check=False)
    assert done.stderr == "muster: MUSTER_WORKERS must be a whole number\n"


@pytest.mark.parametrize(
    "command",
    ["keys list", "workspaces list", "admins list", "audit verify", "check", "doctor", "export"],
)
def test_a_command_that_reads_creates_no_database(tmp_path, command):
    server = Server(tmp_path)
    done = server.muster(*command.split(), check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"no database at {tmp_path / 'muster.db'}; name it with --database or MUSTER_DATABASE\n"
    )
    assert list(tmp_path.glob("muster.db*")) == []


def test_a_slip_in_a_variables_name_is_said(tmp_path):
    said = (
        Server(tmp_path, MUSTER_RATE_LIMITS="5", MUSTER_XYZZY="1", MUSTER_TEST_POSTGRES="x")
        .muster("migrate")
        .stderr
    )
    assert said == (
        "muster: MUSTER_RATE_LIMITS is not a setting; did you mean MUSTER_RATE_LIMIT?\nmuster: MUSTER_XYZZY is not a setting\n"
    )


def test_without_arguments_it_shows_the_first_steps(muster):
    shown = muster()
    assert shown.stderr == ""
    assert "muster serve --first-key" in shown.stdout
    assert "muster --help" in shown.stdout


@pytest.mark.parametrize(
    "command", ["keys list", "workspaces list", "export", "--help", "serve --help", "admins list"]
)
def test_a_reader_that_goes_away_ends_a_command_quietly(tmp_path, command):
    server = Server(tmp_path)
    server.muster("keys", "create", "--name", "x")
    shell = f'set -o pipefail; {sys.executable} -m muster {command} | (exec <&-; sleep 0.1); echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", shell],
        env=server.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert done.stdout == ("141\n" if command in ("keys list", "workspaces list") else done.stdout)
    assert done.stdout in ("141\n", "0\n")


def test_many_lines_into_head(tmp_path):
    server = Server(tmp_path)
    server.muster("demo", "--workspace", "acme", "--users", "1500")
    shell = (
        f'{sys.executable} -m muster export --workspace acme | head -n 1; echo "${{PIPESTATUS[0]}}"'
    )
    done = subprocess.run(
        ["bash", "-c", shell],
        env=server.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout.splitlines()[1:], "Traceback" in done.stderr) == (["141"], False)


def test_the_module_runs():
    shown = subprocess.run(
        [sys.executable, "-m", "muster", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("muster 0.")


def _commands(group=main.app, before=()):
    for name in group:
        if not name.startswith("-"):
            command = group[name]
            nested = list(_commands(command, (*before, name)))
            yield from nested or [(*before, name)]


@pytest.mark.parametrize("command", list(_commands()), ids=" ".join)
def test_the_help_of_every_command_has_an_example_that_it_understands(command, capsys):
    assert main.main([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    examples = shown.partition("Examples:\n")[2].replace("\\\n", " ")
    own = re.findall(rf"muster ({' '.join(command)}\b[^|<\n]*)", examples)
    assert own
    for example in own:
        words = shlex.split(example)
        parsed, _ = main.parse([word for word in words if word != "+%F).db"])
        assert parsed.__module__.startswith("muster.cli.")
    assert max(map(len, shown.splitlines())) <= 80  # a longer example would be broken


@pytest.mark.parametrize(
    "command",
    ["keys list", "workspaces list", "admins list", "doctor", "check", "audit verify", "migrate"],
)
def test_lists_and_reports_have_json(command, muster):
    muster("migrate")
    assert isinstance(json.loads(muster(*command.split(), "--json").stdout), list | dict)


def test_help_imports_no_command():
    code = (
        "import sys; from muster.cli.main import main; main(['--help']);"
        "print(*(name for name in sys.modules if name.startswith('muster')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert sorted(done.stderr.split()) == [
        "muster",
        "muster.cli",
        "muster.cli.main",
        "muster.version",
    ]


def test_exit_codes_are_those_of_the_help_and_the_documents(process):
    shown = process("--help").stdout.partition("Exit codes:\n")[2].partition("\n\n")[0]
    codes = set(re.findall(r"^  (\d+) ", shown, re.M))
    assert codes == {"0", "1", "2", "130", "141"}
    table = GUIDE.partition("| exit code |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| (\d+) \|", table, re.M)) == codes
    assert process("migrate").returncode == 0
    assert process("keys", "revoke", "nosuch", check=False).returncode == 1
    assert process("keys", "revoke", check=False).returncode == 2
    assert process("workspaces", "create", "A B", check=False).returncode == 2
    assert process("migrate", "--database", "mysql://x", check=False).returncode == 2


def test_ctrl_c_ends_a_command_quietly(tmp_path):
    """It waits for a line of standard input, and is interrupted meanwhile."""
    server = Server(tmp_path)
    # A shell starts background jobs, such as these tests may be, with SIGINT ignored.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "muster"]
    command += ["admins", "create", "--email", "ada@example.com"]
    process = subprocess.Popen(
        command,
        env=server.environment,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    waiting = Path(f"/proc/{process.pid}/wchan")
    assert until(lambda: "pipe" in waiting.read_text())
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "")


COMPLETE = """
source "$HOME/.local/share/bash-completion/completions/muster"
function=$(complete -p muster | sed -E 's/.*-F ([^ ]+).*/\\1/')
complete_words() {
  COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
  "$function" muster "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[*]}"
}
complete_words muster ke
complete_words muster keys ""
complete_words muster keys create --perm
complete_words muster workspaces create acme --contract ""
"""


def test_completion_of_bash(tmp_path):
    server = Server(tmp_path)
    server.environment["HOME"] = str(tmp_path)
    installed = server.muster("--install-completion", "--shell", "bash")
    assert installed.stderr == ""
    done = subprocess.run(
        ["bash", "-c", COMPLETE], env=server.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "keys",
        "create list rotate revoke set",
        "--permission",
        "rfc7644 cortex",
    ]


FILES = {
    "bash": ".local/share/bash-completion/completions/muster",
    "zsh": ".zsh/completions/_cyclopts_muster",
    "fish": ".config/fish/completions/muster.fish",
}


@pytest.mark.parametrize("shell", FILES)
def test_completion_is_sound_and_at_the_documented_path(tmp_path, shell):
    assert f"`~/{FILES[shell]}`" in GUIDE
    server = Server(tmp_path)
    server.environment["HOME"] = str(tmp_path)
    server.muster("--install-completion", "--shell", shell)
    script = tmp_path / FILES[shell]
    assert "rotate" in script.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n", str(script)], env=server.environment, check=True)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_completion_of_fish(tmp_path):
    server = Server(tmp_path)
    server.environment["HOME"] = str(tmp_path)
    server.muster("--install-completion", "--shell", "fish")
    done = subprocess.run(
        ["fish", "-c", f"source {tmp_path / FILES['fish']}; complete -C 'muster keys ro'"],
        env=server.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\t")[0] == "rotate"


def test_completion_that_cannot_be_written_is_named(tmp_path):
    server = Server(tmp_path)
    (tmp_path / "home").write_text("a file")
    server.environment["HOME"] = str(tmp_path / "home")
    refused = server.muster("--install-completion", "--shell", "bash", check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"muster: cannot write {tmp_path}/home/")


def test_make_serve_installs_the_runtime_alone():
    """The dry run of make, without stamps and with the first one."""
    root = Path(__file__).parents[2]
    steps = subprocess.run(
        ["make", "-n", "-B", "serve"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    assert "requirements/run.lock" in steps
    assert "dev.lock" not in steps
    assert "npm" not in steps
    steps = subprocess.run(
        ["make", "-n", "-B", "install"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    assert steps.index("run.lock") < steps.index("dev.lock") < steps.index("npm ci")


def test_the_locks_agree():
    """All locks pin the versions of the runtime's lock: make installs nothing twice."""
    folder = Path(__file__).parents[2] / "requirements"
    pins = {name: _pins(folder / f"{name}.lock") for name in ("dev", "run", "build")}
    for name in ("run", "build"):
        assert pins[name]
        assert pins[name].items() <= pins["dev"].items()


def _pins(path):
    return dict(re.findall(r"^([\w.-]+)==([^ ;]+)", path.read_text(), re.M))
