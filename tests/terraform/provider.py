"""Where the AWS provider is on this machine, as options of `terraform init`."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

VERSION = "5.100.0"
_ADDRESS = Path("registry.terraform.io", "hashicorp", "aws")
_SEARCH_DEPTH = 4
_NO_MIRRORS = {"dev", "proc", "run", "sys", "tmp", "node_modules", ".git"}


class TerraformMissing(Exception):
    """Why terraform cannot be run here."""


def terraform_binary() -> str:
    """The path of terraform. Raises TerraformMissing."""
    found = shutil.which("terraform")
    if not found:
        raise TerraformMissing("no terraform on the PATH: install 1.10 or later")
    return found


def init_options(folder: Path, environment: dict[str, str]) -> tuple[str, ...]:
    """The options with which `terraform init` finds the provider; initialises the folder without its backend.

    TF_PLUGIN_DIR names a mirror; else Terraform's own configuration is taken where there is one; else a mirror is
    looked for; else Terraform asks its registry. Raises TerraformMissing with what the last attempt said.
    """
    said = ""
    for options in _attempts():
        init = ["init", "-backend=false", "-input=false", "-no-color", "-lockfile=readonly", *options]
        done = subprocess.run(
            [terraform_binary(), *init], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return options
        said = " ".join(done.stderr.rpartition("Error:")[2].replace("│", "").replace("╵", "").split())[:300]
    raise TerraformMissing(
        f"the AWS provider {VERSION} was not found: name a mirror in TF_PLUGIN_DIR, or let terraform init reach its "
        f"registry ({said})"
    )


def _attempts() -> Iterator[tuple[str, ...]]:
    if named := os.environ.get("TF_PLUGIN_DIR"):
        yield (f"-plugin-dir={named}",)
        return
    configuration = Path(os.environ.get("TF_CLI_CONFIG_FILE") or Path.home() / ".terraformrc")
    configured = configuration.is_file()
    if configured:
        yield ()
    for mirror in _mirrors():
        yield (f"-plugin-dir={mirror}",)
    if not configured:
        yield ()


def _mirrors() -> Iterator[Path]:
    """Folders laid out as a filesystem mirror that hold the provider for this platform."""
    usual = [
        Path(os.environ.get("TF_PLUGIN_CACHE_DIR") or "/usr/share/terraform/plugins"),
        Path.home() / ".terraform.d" / "plugins",
        Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "terraform" / "plugins",
        Path("/usr/local/share/terraform/plugins"),
        Path("/usr/share/terraform/plugins"),
    ]
    yield from (mirror for mirror in usual if _holds_provider(mirror))
    yield from (mirror for mirror in _folders(Path("/"), _SEARCH_DEPTH) if _holds_provider(mirror))


def _folders(top: Path, depth: int) -> Iterator[Path]:
    """Folders down to this depth that contain one named as the registry."""
    try:
        inside = [entry for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for entry in inside:
        if entry.name == _ADDRESS.parts[0]:
            yield top
        elif depth > 1 and entry.name not in _NO_MIRRORS:
            yield from _folders(Path(entry.path), depth - 1)


def _holds_provider(mirror: Path) -> bool:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    target = f"{platform.system().lower()}_{machine}"
    unpacked = mirror / _ADDRESS / VERSION / target
    packed = mirror / _ADDRESS / f"terraform-provider-aws_{VERSION}_{target}.zip"
    return unpacked.is_dir() or packed.is_file()
