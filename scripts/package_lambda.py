"""Build a function's zip for a deployment by hand; every build gives the same bytes.

python scripts/package_lambda.py                     # the landing function, for the settings' runtime and architecture
python scripts/package_lambda.py --function detect-fraud --architecture x86_64 --output build/function.zip
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from data_ingestion import deploy_transaction_lambda
from data_processing import deploy_deliver_alerts, deploy_detect_fraud
from infrastructure.aws.lambda_ import code_sha256
from infrastructure.errors import PlatformError
from infrastructure.function_package import ARCHITECTURES, BUILD
from infrastructure.settings_source import read_environment, settings_from
from scripts.commands.terminal import EXIT_ERROR, EXIT_OK, Parser, print_error

PACKAGES = {
    "process-transaction": deploy_transaction_lambda.package,
    "detect-fraud": deploy_detect_fraud.package,
    "deliver-alerts": deploy_deliver_alerts.package,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Build the zip and print where it is; the exit status."""
    parser = Parser(description=__doc__)
    parser.add_argument("--function", choices=list(PACKAGES), default="process-transaction")
    parser.add_argument("--runtime", help="e.g. python3.11; else LAMBDA_RUNTIME")
    parser.add_argument("--architecture", choices=sorted(ARCHITECTURES), help="else LAMBDA_ARCHITECTURE")
    parser.add_argument("--output", type=Path, help="else build/lambda/FUNCTION-RUNTIME-ARCHITECTURE.zip")
    arguments = parser.parse_args(argv)
    try:
        settings = settings_from(
            read_environment(), lambda_runtime=arguments.runtime, lambda_architecture=arguments.architecture
        )
        zip_bytes = PACKAGES[arguments.function](settings)
    except PlatformError as error:
        print_error(error)
        return EXIT_ERROR
    name = f"{arguments.function}-{settings.lambda_runtime}-{settings.lambda_architecture}.zip"
    output: Path = arguments.output or BUILD / name
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(zip_bytes)
    print(f"{output}  {len(zip_bytes):,} bytes  CodeSha256 {code_sha256(zip_bytes)}")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
