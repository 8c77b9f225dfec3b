"""What the Glue job runs: its script, and a zip of the project's modules that it imports and of the fraud rules; the
same bytes each time.

The modules are found by following the script's imports, so that nothing is missing and neither command line,
provisioning nor Lambda is shipped.
"""

from __future__ import annotations

import functools
from pathlib import Path

from data_processing.fraud_rule_file import SHIPPED, read_rules
from infrastructure.code_package import imported_files, zip_of

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "data_processing" / "etl_transaction_processing.py"
SHIPPED_FILE = ROOT / "data_processing" / SHIPPED


@functools.cache
def job_zip(rules_file: str = "") -> bytes:
    """The zip for --extra-py-files. Built once in a process.

    rules_file: the fraud rules that take the place of the shipped ones. Raises PlatformError if they are none.
    """
    return zip_of(ROOT, modules_of(SCRIPT), compressed=False, others=rules_of(rules_file))


def rules_of(rules_file: str) -> dict[str, bytes]:
    """The fraud rules as they go with a package: their path in it -> their text. rules_file: as for job_zip()."""
    rules = Path(rules_file) if rules_file else SHIPPED_FILE
    read_rules(rules)
    return {SHIPPED_FILE.relative_to(ROOT).as_posix(): rules.read_bytes()}


def modules_of(script: Path) -> list[Path]:
    """The project's files that a script imports, directly or not, with their packages' __init__.py; sorted."""
    module = ".".join(script.relative_to(ROOT).with_suffix("").parts)
    return [path for path in imported_files([module], ROOT) if path != script]
