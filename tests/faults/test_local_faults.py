"""A run with injected faults ends with the totals of the fault-free run, to the cent."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from infrastructure.local.faults import KINDS, Faults

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TRANSACTIONS = ("--transactions", "4000", "--seed", "21")


def local(workdir, *arguments):
    command = [sys.executable, str(ROOT / "scripts" / "orchestrate_pipeline.py"), "local", "--json"]
    ran = subprocess.run([*command, "--workdir", str(workdir), *arguments], capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout)


def hop(run, name):
    return {
        (row["currency"], row["credit_debit_indicator"]): (row["records"], Decimal(row["amount"]))
        for row in run["control_totals"]
        if row["hop"] == name
    }


@pytest.fixture(scope="module")
def fault_free(tmp_path_factory):
    return local(tmp_path_factory.mktemp("clean") / "w", *TRANSACTIONS)


@pytest.mark.parametrize("seed", [4, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(10, 20))])
def test_faults_change_no_total_behind_the_stream(tmp_path, fault_free, seed):
    faulty = local(tmp_path / "w", *TRANSACTIONS, "--faults", str(seed))
    assert faulty["balanced"]
    assert faulty["faults"].keys() == KINDS.keys(), "every kind of fault happens"
    for name in ("produced", "quarantined", "curated", "loaded"):
        assert hop(faulty, name) == hop(fault_free, name), name
    copies = sum(n for n, _ in hop(faulty, "streamed").values()) - 4000
    assert faulty["records"]["duplicates"] - fault_free["records"]["duplicates"] == copies


@pytest.mark.parametrize("seed", range(20))
def test_a_seed_repeats_its_faults_and_every_kind_is_due(seed):
    """What the n-th opportunity of a kind brings depends on nothing else."""

    def drawn():
        faults = Faults(seed)
        return [name for name, kind in KINDS.items() for _ in range(kind.at_latest) if faults.happens(name)]

    assert drawn() == drawn()
    assert set(drawn()) == KINDS.keys()


@pytest.mark.soak
def test_a_million_transactions_with_faults_balance(tmp_path):
    run = local(tmp_path / "w", "--transactions", "1000000", "--faults", "99")
    assert run["balanced"] and run["records"]["produced"] == 1_000_000
