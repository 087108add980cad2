"""The documents say what is true: the README's tour runs, and its table of settings is the settings."""

import re
import subprocess
from pathlib import Path

from muster.config import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_every_block_of_the_tour_runs(server, tmp_path):
    tour = README.partition("## A five-minute tour")[2].partition("\n## ")[0]
    blocks = re.findall(r"```bash\n(.*?)```", tour, re.S)
    assert len(blocks) == 5
    script = "set -euo pipefail\n" + "\n".join(f"echo; echo '--- block {n}'\n{block}" for n, block in enumerate(blocks))
    server.muster("workspaces", "create", "tour")
    environment = {"BASE": f"{server.url}/scim/v2", "KEY": server.key("tour", "--workspace", "tour"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script], check=False, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    created, found, patched, paged, deleted = done.stdout.split("--- block ")[1:]
    assert '"userName":"bjensen@example.com"' in created
    assert found.count('"totalResults":1') == 3
    assert '"active":false' in patched
    assert '"totalResults":1' in paged
    assert deleted.strip() == "4"


def test_the_table_of_settings_is_the_settings():
    rows = dict(re.findall(r"^\| `MUSTER_(\w+)` \|(.*?)\|", README, re.M))
    assert {name.lower() for name in rows} == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        shown = rows[name.upper()].strip(" `")
        default = field.default
        expected = "" if default in (None, ()) else str(default).lower() if isinstance(default, bool) else str(default)
        assert shown == expected, name


def test_every_link_in_the_documents_leads_somewhere():
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            assert target.startswith("http") or (document.parent / target).exists(), target
