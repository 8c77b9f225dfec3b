"""The acceptance run without an account: what the embedded stack can prove."""

from __future__ import annotations

import tempfile
from dataclasses import replace

from rich.console import Console

from data_ingestion.transaction_generator import DEFAULT_SEED
from infrastructure.aws.clients import AwsClients
from infrastructure.aws.redshift_data import execute, query
from infrastructure.local import pipeline
from infrastructure.local.kept_state import KeptState, open_kept_state
from infrastructure.local.stack import EmbeddedStack
from infrastructure.local.stages import Stages
from infrastructure.local.workdir import Workdir
from infrastructure.provisioning import PLACEHOLDER_ZIP, Embedded
from infrastructure.settings import Settings
from scripts.acceptance import flow
from scripts.acceptance.provisioning_proofs import Provisioning
from scripts.acceptance.verdicts import Prover

TRANSACTIONS = 2_000
_ANALYST = "acceptance_analyst"


def prove_embedded(prover: Prover, console: Console) -> None:
    """Prove all claims that need no account."""
    _prove_provisioning(prover)
    with tempfile.TemporaryDirectory(prefix="acceptance-") as directory:
        options = pipeline.RunOptions(TRANSACTIONS, DEFAULT_SEED, workdir=directory)
        measured = pipeline.run(options, Stages(console)).report.measured
        prover.prove("landing", lambda: flow.landed(measured, TRANSACTIONS))
        prover.prove("job-curates", lambda: flow.curated(measured))
        prover.prove("copy-loads-zstd", lambda: flow.loaded(measured))
        prover.prove("reconciled", lambda: flow.reconciled(measured))
        with open_kept_state(directory) as kept:
            prover.prove("analyst-sees-masks", lambda: _masks(kept))


def _prove_provisioning(prover: Prover) -> None:
    settings = Settings(environment="acceptance", object_lock_days=1)
    workdir = Workdir(None)
    try:
        with EmbeddedStack(settings, workdir):
            clients = AwsClients(settings.region, emulated=True)
            environment = Provisioning(settings, clients, prover, Embedded(lambda: PLACEHOLDER_ZIP))
            environment.prove_what_stands()
            environment.prove_destroy()
    finally:
        workdir.close()


def _masks(kept: KeptState) -> str:
    warehouse = kept.warehouse
    admin = replace(warehouse.auditor, db_user=None)
    execute(warehouse.data_api, admin, f"CREATE USER {_ANALYST} PASSWORD DISABLE")
    execute(warehouse.data_api, admin, f"GRANT ROLE analyst TO {_ANALYST}")
    table = f"{kept.settings.warehouse_schema}.fact_transactions"
    sql = f"SELECT DISTINCT card_last4 FROM {table} WHERE card_last4 IS NOT NULL"
    return flow.masked([str(last4) for (last4,) in query(warehouse.data_api, replace(admin, db_user=_ANALYST), sql)])
