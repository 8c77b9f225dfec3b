"""Runs a Glue job's script in this process until the parent closes this process's standard input.

A parent that is killed cannot stop its children, but their standard input ends with it, and then so do they.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import threading


def _end_with_parent() -> None:
    while os.read(0, 1):  # not sys.stdin: a thread that holds its lock would abort the interpreter at exit
        pass
    os.killpg(0, signal.SIGKILL)  # the JVM is in the same group


def main() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from infrastructure.errors import PlatformError

    script, *arguments = sys.argv[1:]
    sys.argv = [script, *arguments]
    try:
        runpy.run_path(script, run_name="__main__")
    except PlatformError as error:
        print(json.dumps({"stage": "error", "where": error.where, "what": error.what, "todo": error.todo}), flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
