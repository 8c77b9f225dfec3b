"""Build the function's zip for a deployment by hand; every build gives the same bytes.

python scripts/package_lambda.py                       # the runtime and architecture of the settings python
scripts/package_lambda.py --architecture x86_64 --output build/function.zip
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from data_ingestion.function_package import ARCHITECTURES, BUILD, write_zip
from infrastructure.aws.lambda_ import code_sha256
from infrastructure.errors import PlatformError
from infrastructure.settings_source import read_environment, settings_from
from scripts.commands.terminal import EXIT_ERROR, EXIT_OK, Parser, print_error


def main(argv: Sequence[str] | None = None) -> int:
    """Build the zip and print where it is; the exit status."""
    parser = Parser(description=__doc__)
    parser.add_argument("--runtime", help="e.g. python3.11; else LAMBDA_RUNTIME")
    parser.add_argument("--architecture", choices=sorted(ARCHITECTURES), help="else LAMBDA_ARCHITECTURE")
    parser.add_argument("--output", type=Path, help="else build/lambda/RUNTIME-ARCHITECTURE.zip")
    arguments = parser.parse_args(argv)
    try:
        settings = settings_from(read_environment())
        runtime = arguments.runtime or settings.lambda_runtime
        architecture = arguments.architecture or settings.lambda_architecture
        output = write_zip(runtime, architecture, arguments.output or BUILD / f"{runtime}-{architecture}.zip")
    except PlatformError as error:
        print_error(error)
        return EXIT_ERROR
    zip_bytes = output.read_bytes()
    print(f"{output}  {len(zip_bytes):,} bytes  CodeSha256 {code_sha256(zip_bytes)}")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
