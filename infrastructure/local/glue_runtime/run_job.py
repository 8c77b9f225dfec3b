"""Runs a Glue job's script in this process until the parent closes this process's standard input.

A parent that is killed cannot stop its children, but their standard input ends with it, and then so do they.

While Spark works, a line {"stage": "spark", "stage_id", "tasks", "of"} tells how many of a stage's tasks are done.
"""

from __future__ import annotations

import json
import os
import pwd
import runpy
import signal
import sys
import threading
import time

_LOOK_EVERY_SECONDS = 0.3


def _end_with_parent() -> None:
    while os.read(0, 1):  # not sys.stdin: a thread that holds its lock would abort the interpreter at exit
        pass
    os.killpg(0, signal.SIGKILL)  # the JVM is in the same group


def _name_the_user() -> None:
    """Hadoop asks the system for its user's name and fails where it has none, as in a container run with --user 12345:
    there it is given one."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        from pyspark import SparkContext

        SparkContext._ensure_initialized()
        assert SparkContext._jvm is not None
        users = SparkContext._jvm.org.apache.hadoop.security.UserGroupInformation
        users.setLoginUser(users.createRemoteUser(str(os.geteuid())))


def _tell_progress() -> None:
    """Print what Spark is at, as often as that changes."""
    told = None
    while True:
        time.sleep(_LOOK_EVERY_SECONDS)
        # Not imported here: two threads that import pyspark at the same time meet it half made.
        context_class = getattr(sys.modules.get("pyspark.context"), "SparkContext", None)
        context = context_class._active_spark_context if context_class else None
        try:
            tracker = context.statusTracker() if context is not None else None
            stages = [tracker.getStageInfo(each) for each in tracker.getActiveStageIds()] if tracker else []
        except Exception:  # the session is being stopped
            return
        for stage in stages:
            if stage is not None and told != (now := (stage.stageId, stage.numCompletedTasks)):
                told = now
                event = {"stage": "spark", "stage_id": now[0], "tasks": now[1], "of": stage.numTasks}
                print(json.dumps(event) + "\n", end="", flush=True)


def main() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threading.Thread(target=_tell_progress, daemon=True).start()
    from infrastructure.errors import PlatformError

    _name_the_user()

    script, *arguments = sys.argv[1:]
    sys.argv = [script, *arguments]
    try:
        runpy.run_path(script, run_name="__main__")
    except PlatformError as error:
        print(json.dumps({"stage": "error", "where": error.where, "what": error.what, "todo": error.todo}), flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
