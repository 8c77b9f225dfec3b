"""The process that the laptop runs the Glue job in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from infrastructure.local import glue_job
from infrastructure.local.java import find_java

RUN_JOB = Path(glue_job.__file__).parent / "glue_runtime" / "run_job.py"
# The system names the user of the tests; here it does not.
NAMELESS = """
import pwd, runpy, sys

def unknown(uid):
    raise KeyError(uid)

pwd.getpwuid = unknown
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
JOB = """
from pyspark import SparkContext
print("spark runs as", SparkContext.getOrCreate().sparkUser())
"""


def test_a_user_that_the_system_has_no_name_for_is_given_one_which_hadoop_asks_for(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(JOB)
    environment = glue_job.spark_environment(find_java(), tmp_path, glue_job.java_options(0))
    with subprocess.Popen(
        [sys.executable, "-c", NAMELESS, str(RUN_JOB), str(script)],
        env=environment,
        stdin=subprocess.PIPE,  # held open: the process ends with it
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
    assert f"spark runs as {os.geteuid()}\n" in said
