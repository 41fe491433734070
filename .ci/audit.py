"""Known vulnerabilities of the packages that are installed, by pip-audit; exit code 1 where there are any that are not listed below.

Where no list of vulnerabilities can be reached this says so and passes: pip-audit itself would report that it found none.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

#: identifiers of vulnerabilities that do not concern this package → why not
ACCEPTED: dict[str, str] = {}
PROBE = "jinja2"  # an old package that every list has


def main() -> int:
    """Ask for one package first: without an answer there is nothing to be had for the others."""
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "one.txt"
        one.write_text(f"{PROBE}=={metadata.version(PROBE)}\n", encoding="utf-8")
        answer, why = audited("--requirement", str(one), "--no-deps", "--disable-pip")
    if answer is None or all("skip_reason" in each for each in answer):
        why = why or next((each["skip_reason"] for each in answer or ()), "no answer")
        print(f"Audit skipped: no list of vulnerabilities can be reached ({why}).")  # noqa: T201
        return 0
    answer, why = audited("--local", "--skip-editable")
    if answer is None:
        print(f"Audit failed: {why}.")  # noqa: T201
        return 1
    found = [(each["name"], each["version"], flaw) for each in answer for flaw in each.get("vulns", ())]
    new = [each for each in found if not {each[2]["id"], *each[2].get("aliases", ())} & set(ACCEPTED)]
    for name, version, flaw in new:
        fixed = ", ".join(flaw.get("fix_versions", ())) or "no version yet"
        print(f"{name} {version}: {flaw['id']}, fixed in {fixed}")  # noqa: T201
    unknown = sum("skip_reason" in each for each in answer)
    print(  # noqa: T201
        f"{len(answer) - unknown} packages audited, {unknown} unknown, {len(new)} vulnerabilities, {len(found) - len(new)} accepted."
    )
    return 1 if new else 0


def audited(*arguments: str) -> tuple[list[dict[str, Any]] | None, str]:
    """What pip-audit says of each package, or None and why there is nothing."""
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner=off", "--timeout=10", "--format=json", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)  # noqa: S603 # nosec B603 # no shell; our own arguments
        return json.loads(done.stdout)["dependencies"], ""
    except subprocess.TimeoutExpired:
        return None, "no answer in ten minutes"
    except (ValueError, KeyError):
        return None, (done.stderr.strip().splitlines() or ["no answer"])[-1][:200]


if __name__ == "__main__":
    sys.exit(main())
