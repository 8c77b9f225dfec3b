"""Metric math, as far as the alarms use it."""

from __future__ import annotations

import pytest

from infrastructure.settings import Settings
from monitoring.alarms import alarms
from monitoring.metric_math import calculate


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("2 + 3 * m", 14),
        ("100 * m / n", 200),
        ("m / zero", None),
        ("m - gone", None),
        ("IF(m > n, m, n)", 4),
        ("IF(m < n, m, n)", 2),
        ("IF(gone > 0, 1, 0)", None),
        ("IF(zero, gone, 7)", 7),
        ("FILL(gone, 5)", 5),
        ("FILL(m, 5)", 4),
        ("m > 0 AND n > 0", 1),
        ("m > 0 AND zero > 0", 0),
        ("m > 0 OR zero > 0", 1),
        ("m == 4 AND gone == 1", None),
    ],
)
def test_it_is_calculated_as_cloudwatch_does(expression: str, expected: float | None) -> None:
    assert calculate(expression, {"m": 4, "n": 2, "zero": 0, "gone": None}) == expected


@pytest.mark.parametrize("expression", ["SEARCH('x')", "m ** 2", "m if n else 0", "RATE(m)", "m < n < 3"])
def test_a_form_that_is_not_known_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="metric math"):
        calculate(expression, {"m": 1, "n": 2})


@pytest.mark.parametrize("spec", [spec for spec in alarms(Settings()) if spec.expression], ids=lambda spec: spec.name)
def test_every_expression_of_an_alarm_is_known(spec) -> None:
    calculate(spec.expression, dict.fromkeys(spec.metrics, 1.0))
