"""What ended the Glue job, taken from its log: the innermost cause, without any record's content. Pure."""

from __future__ import annotations

import re

# At the beginning of a line: a Python exception, or a Java exception passed on by py4j; then its message.
_RAISED = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception|Interrupt)(?=:|$)")
_CAUSE = re.compile(r"(?:Caused by: |: )((?:\w+\.)+[\w$]+)(?:: (.*))?")
# Spark's name for the kind of error; the text after it may contain a value.
_KIND = re.compile(r"\[[A-Z0-9_.]+\]")
# Exceptions whose messages are about the machine, never about data.
_OF_THE_MACHINE = re.compile(
    r"java\.(?:io|nio|net)\.|java\.lang\.\w+Error$|botocore\.|(?:OS|Memory|Permission|FileNotFound)Error$"
)
_LENGTH = 200


def cause(log: str) -> str:
    """The exception's class and message, or Spark's name for the error if the message could hold a record's content."""
    lines = log.splitlines()
    raised = max((place for place, line in enumerate(lines) if _RAISED.match(line)), default=None)
    if raised is None:
        return "no error was written"
    name, _, message = lines[raised].partition(":")
    behind = lines[raised + 1 :]
    causes = [found for line in behind if line.startswith("Caused by: ") and (found := _CAUSE.match(line))]
    first = next((found for line in behind if line.startswith(": ") and (found := _CAUSE.match(line))), None)
    innermost = causes[-1] if causes else first
    if innermost:
        name, message = innermost[1], innermost[2] or ""
    kind = _KIND.match(message.strip())
    told = message if _OF_THE_MACHINE.match(name) else kind.group() if kind else ""
    return f"{name}: {told.strip()}"[:_LENGTH] if told.strip() else name
