"""What AWS answers of one kind of resource, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Why a field is not compared.
NAME = "its name, by which it is found"
TIME = "when it was made or changed"
STATE = "its state at the moment, which waiting and status look at"
MEASURE = "a measure of its use"
FIXED = "fixed when it is made"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of AWS. types: of the resources that are read by it; path: of the members in the call's output.

    compared: the fields that are compared, or are outputs; neutral: field -> why it does not change behaviour. whole:
    it is compared as it is answered, so that the code need not name its fields.
    """

    types: str
    service: str
    operation: str
    path: str
    compared: str = ""
    neutral: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False

    @property
    def name(self) -> str:
        return ".".join(filter(None, (self.service, self.operation, self.path)))


def because(why: str, names: str) -> dict[str, str]:
    """Several fields, with one reason."""
    return dict.fromkeys(names.split(), why)
