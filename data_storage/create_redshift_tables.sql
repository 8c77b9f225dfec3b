-- The warehouse: Redshift SQL, run through the Data API by data_storage/redshift_setup.py (in AWS) and through the
-- stand-in on the laptop. Safe to run again. The columns of facts, pending items, alerts and evidence are the
-- contract's (data_catalog/transaction_contract.py); a test holds them.
--
-- Redshift enforces NOT NULL and lengths, and neither primary nor unique keys: the ones below inform its planner and the
-- reader. What makes them true is the loader (data_storage/warehouse_loader.py), one transaction per run with the ledger.
--
-- Distribution: everything large by account_id. Balances, fraud work and statements ask by account, so joins and
-- window functions stay on their slice. Small tables are copied to every node.
-- Sort: by date first, the predicate that nearly every query and the loader itself carries (zone maps skip the rest);
-- then by what is asked next.
-- Encoding: AZ64 for numbers, dates and times; ZSTD for strings; BYTEDICT for sets of a few words; RAW for the
-- leading sort column, whose zone maps must be cheap to read. Why in detail: docs/warehouse.md.
--
-- The text above a table, and behind a column, is its comment in the warehouse and in docs/data_dictionary.md. A column
-- without one has the contract's.

CREATE SCHEMA IF NOT EXISTS banking;

-- Final states (BOOKED, REJECTED), each transaction once. Append-only.
CREATE TABLE IF NOT EXISTS banking.fact_transactions (
    schema_version           VARCHAR(8)      NOT NULL ENCODE ZSTD,
    transaction_id           VARCHAR(64)     NOT NULL ENCODE ZSTD,
    account_id               VARCHAR(34)     NOT NULL ENCODE ZSTD,
    transaction_type         VARCHAR(16)     NOT NULL ENCODE BYTEDICT,
    credit_debit_indicator   VARCHAR(4)      NOT NULL ENCODE BYTEDICT,
    amount                   DECIMAL(18,4)   NOT NULL ENCODE AZ64,
    currency                 VARCHAR(3)      NOT NULL ENCODE BYTEDICT,
    event_time               TIMESTAMP       NOT NULL ENCODE AZ64,
    value_date               DATE            ENCODE AZ64,
    status                   VARCHAR(8)      NOT NULL ENCODE BYTEDICT,
    channel                  VARCHAR(8)      NOT NULL ENCODE BYTEDICT,
    counterparty_account     VARCHAR(34)     ENCODE ZSTD,
    counterparty_bank        VARCHAR(35)     ENCODE ZSTD,
    merchant_name            VARCHAR(560)    ENCODE ZSTD,
    merchant_category_code   VARCHAR(4)      ENCODE ZSTD,
    merchant_country         VARCHAR(2)      ENCODE BYTEDICT,
    balance_after            DECIMAL(18,4)   ENCODE AZ64,
    original_transaction_id  VARCHAR(64)     ENCODE ZSTD,
    description              VARCHAR(2000)   ENCODE ZSTD,
    booking_date             DATE            ENCODE AZ64,
    pending_transaction_id   VARCHAR(64)     ENCODE ZSTD,
    card_token               VARCHAR(64)     ENCODE ZSTD,
    former_card_token        VARCHAR(64)     ENCODE ZSTD,
    card_last4               VARCHAR(4)      ENCODE ZSTD,
    stream_incarnation       VARCHAR(64)     NOT NULL ENCODE ZSTD,
    shard_id                 VARCHAR(64)     NOT NULL ENCODE ZSTD,
    sequence_number          VARCHAR(128)    NOT NULL ENCODE ZSTD,
    sub_sequence_number      BIGINT          NOT NULL ENCODE AZ64,
    arrival_time             TIMESTAMP       NOT NULL ENCODE AZ64,
    landed_at                TIMESTAMP       NOT NULL ENCODE AZ64,
    replaces_incarnation     VARCHAR(64)     ENCODE ZSTD,
    replaces_shard_id        VARCHAR(64)     ENCODE ZSTD,
    replaces_sequence_number VARCHAR(128)    ENCODE ZSTD,
    replaces_sub_sequence_number BIGINT      ENCODE AZ64,
    event_date               DATE            NOT NULL ENCODE RAW,
    content_hash             VARCHAR(64)     NOT NULL ENCODE ZSTD,
    run_id                   VARCHAR(64)     NOT NULL ENCODE ZSTD,
    booked_date              DATE            ENCODE AZ64,               -- Fixed when the row is loaded; BOOKED only
    account_scheme           VARCHAR(4)      ENCODE BYTEDICT,
    PRIMARY KEY (transaction_id)
)
DISTSTYLE KEY DISTKEY (account_id)
COMPOUND SORTKEY (event_date, account_id);

-- Every distinct put of a pending item. Append-only; what is settled or expired the views tell.
CREATE TABLE IF NOT EXISTS banking.pending_transactions (
    schema_version           VARCHAR(8)      NOT NULL ENCODE ZSTD,
    transaction_id           VARCHAR(64)     NOT NULL ENCODE ZSTD,
    account_id               VARCHAR(34)     NOT NULL ENCODE ZSTD,
    transaction_type         VARCHAR(16)     NOT NULL ENCODE BYTEDICT,
    credit_debit_indicator   VARCHAR(4)      NOT NULL ENCODE BYTEDICT,
    amount                   DECIMAL(18,4)   NOT NULL ENCODE AZ64,
    currency                 VARCHAR(3)      NOT NULL ENCODE BYTEDICT,
    event_time               TIMESTAMP       NOT NULL ENCODE AZ64,
    value_date               DATE            ENCODE AZ64,
    status                   VARCHAR(8)      NOT NULL ENCODE BYTEDICT,
    channel                  VARCHAR(8)      NOT NULL ENCODE BYTEDICT,
    counterparty_account     VARCHAR(34)     ENCODE ZSTD,
    counterparty_bank        VARCHAR(35)     ENCODE ZSTD,
    merchant_name            VARCHAR(560)    ENCODE ZSTD,
    merchant_category_code   VARCHAR(4)      ENCODE ZSTD,
    merchant_country         VARCHAR(2)      ENCODE BYTEDICT,
    balance_after            DECIMAL(18,4)   ENCODE AZ64,
    original_transaction_id  VARCHAR(64)     ENCODE ZSTD,
    description              VARCHAR(2000)   ENCODE ZSTD,
    booking_date             DATE            ENCODE AZ64,
    pending_transaction_id   VARCHAR(64)     ENCODE ZSTD,
    card_token               VARCHAR(64)     ENCODE ZSTD,
    former_card_token        VARCHAR(64)     ENCODE ZSTD,
    card_last4               VARCHAR(4)      ENCODE ZSTD,
    stream_incarnation       VARCHAR(64)     NOT NULL ENCODE ZSTD,
    shard_id                 VARCHAR(64)     NOT NULL ENCODE ZSTD,
    sequence_number          VARCHAR(128)    NOT NULL ENCODE ZSTD,
    sub_sequence_number      BIGINT          NOT NULL ENCODE AZ64,
    arrival_time             TIMESTAMP       NOT NULL ENCODE AZ64,
    landed_at                TIMESTAMP       NOT NULL ENCODE AZ64,
    replaces_incarnation     VARCHAR(64)     ENCODE ZSTD,
    replaces_shard_id        VARCHAR(64)     ENCODE ZSTD,
    replaces_sequence_number VARCHAR(128)    ENCODE ZSTD,
    replaces_sub_sequence_number BIGINT      ENCODE AZ64,
    event_date               DATE            NOT NULL ENCODE RAW,
    content_hash             VARCHAR(64)     NOT NULL ENCODE ZSTD,
    run_id                   VARCHAR(64)     NOT NULL ENCODE ZSTD,
    booked_date              DATE            ENCODE AZ64,               -- booking_date, if the bank sent one
    account_scheme           VARCHAR(4)      ENCODE BYTEDICT,
    PRIMARY KEY (transaction_id, content_hash)
)
DISTSTYLE KEY DISTKEY (account_id)
COMPOUND SORTKEY (event_date, account_id);

-- One row per account that has ever had a transaction.
CREATE TABLE IF NOT EXISTS banking.dim_account (
    account_id               VARCHAR(34)     NOT NULL ENCODE ZSTD,      -- The account
    identification_scheme    VARCHAR(4)      NOT NULL ENCODE BYTEDICT,  -- ISO 20022: IBAN, or BBAN for the bank's own
    country                  VARCHAR(2)      ENCODE BYTEDICT,           -- Of the IBAN
    first_event_time         TIMESTAMP       NOT NULL ENCODE AZ64,      -- Of its first transaction
    last_event_time          TIMESTAMP       NOT NULL ENCODE AZ64,      -- Of its last transaction
    run_id                   VARCHAR(64)     NOT NULL ENCODE ZSTD,      -- The load that wrote the row last
    last_booked_date         DATE            ENCODE AZ64,               -- What an entry without date follows
    PRIMARY KEY (account_id)
)
DISTSTYLE KEY DISTKEY (account_id)
SORTKEY (account_id);

-- Slowly changing, type 2: one row per merchant and span of time in which it had one category code. A merchant is known
-- by name and country, all that a transaction says of it.
CREATE TABLE IF NOT EXISTS banking.dim_merchant (
    merchant_name            VARCHAR(560)    NOT NULL ENCODE ZSTD,      -- As on the statement
    merchant_country         VARCHAR(2)      NOT NULL ENCODE BYTEDICT,  -- ZZ (ISO 3166 user-assigned) if unknown
    merchant_category_code   VARCHAR(4)      ENCODE ZSTD,               -- ISO 18245, four digits
    valid_from               TIMESTAMP       NOT NULL ENCODE AZ64,      -- Event time of the first one so
    valid_to                 TIMESTAMP       ENCODE AZ64,               -- Exclusive; null for the current version
    is_current               BOOLEAN         NOT NULL ENCODE RAW,       -- The version of now
    run_id                   VARCHAR(64)     NOT NULL ENCODE ZSTD,      -- The load that wrote the row
    PRIMARY KEY (merchant_name, merchant_country, valid_from)
)
DISTSTYLE ALL
SORTKEY (merchant_name, merchant_country);

-- What the fraud rules raised, once by rule, subject and bucket of event time; whether it is closed the view tells.
CREATE TABLE IF NOT EXISTS banking.fraud_alerts (
    alert_id                 VARCHAR(64)     NOT NULL ENCODE ZSTD,
    rule                     VARCHAR(32)     NOT NULL ENCODE BYTEDICT,
    severity                 VARCHAR(8)      NOT NULL ENCODE BYTEDICT,
    subject_type             VARCHAR(8)      NOT NULL ENCODE BYTEDICT,
    subject                  VARCHAR(64)     NOT NULL ENCODE ZSTD,
    bucket_start             TIMESTAMP       NOT NULL ENCODE AZ64,
    least_evidence           BIGINT          NOT NULL ENCODE AZ64,
    reason                   VARCHAR(800)    NOT NULL ENCODE ZSTD,
    event_date               DATE            NOT NULL ENCODE RAW,
    run_id                   VARCHAR(64)     NOT NULL ENCODE ZSTD,
    PRIMARY KEY (alert_id)
)
DISTSTYLE KEY DISTKEY (alert_id)
COMPOUND SORTKEY (event_date, alert_id);

-- The transactions that an alert rests on. Grows as more of the same bucket comes.
CREATE TABLE IF NOT EXISTS banking.fraud_alert_evidence (
    alert_id                 VARCHAR(64)     NOT NULL ENCODE ZSTD,
    transaction_id           VARCHAR(64)     NOT NULL ENCODE ZSTD,
    content_hash             VARCHAR(64)     NOT NULL ENCODE ZSTD,
    account_id               VARCHAR(34)     NOT NULL ENCODE ZSTD,
    amount                   DECIMAL(18,4)   NOT NULL ENCODE AZ64,
    currency                 VARCHAR(3)      NOT NULL ENCODE BYTEDICT,
    event_time               TIMESTAMP       NOT NULL ENCODE AZ64,
    event_date               DATE            NOT NULL ENCODE RAW,
    run_id                   VARCHAR(64)     NOT NULL ENCODE ZSTD,
    PRIMARY KEY (alert_id, transaction_id, content_hash)
)
DISTSTYLE KEY DISTKEY (alert_id)
COMPOUND SORTKEY (event_date, alert_id);

-- The tokens that one card had under former keys. A token without a row is its card's only one.
CREATE TABLE IF NOT EXISTS banking.token_links (
    card_token               VARCHAR(64)     NOT NULL ENCODE ZSTD,
    former_card_token        VARCHAR(64)     NOT NULL ENCODE ZSTD,
    first_card_token         VARCHAR(64)     NOT NULL ENCODE ZSTD,
    event_date               DATE            NOT NULL ENCODE AZ64,
    run_id                   VARCHAR(64)     NOT NULL ENCODE ZSTD,
    PRIMARY KEY (card_token)
)
DISTSTYLE KEY DISTKEY (card_token)
SORTKEY (card_token);

-- The balance after the last entry, by its place in the stream, of each account, currency and booked date.
CREATE TABLE IF NOT EXISTS banking.daily_balances (
    account_id               VARCHAR(34)     NOT NULL ENCODE ZSTD,      -- The account
    currency                 VARCHAR(3)      NOT NULL ENCODE BYTEDICT,  -- ISO 4217 alpha-3
    balance_date             DATE            NOT NULL ENCODE RAW,       -- The booked date
    closing_balance          DECIMAL(18,4)   NOT NULL ENCODE AZ64,      -- Booked; may be negative
    last_event_time          TIMESTAMP       NOT NULL ENCODE AZ64,      -- Of the day's last entry
    last_transaction_id      VARCHAR(64)     NOT NULL ENCODE ZSTD,      -- The day's last entry
    run_id                   VARCHAR(64)     NOT NULL ENCODE ZSTD,      -- The load that wrote the row last
    last_position            VARCHAR(600)    ENCODE ZSTD,               -- Of that entry; sorts as the stream does
    PRIMARY KEY (account_id, currency, balance_date)
)
DISTSTYLE KEY DISTKEY (account_id)
COMPOUND SORTKEY (balance_date, account_id);

-- Each record that landing or job refused, once, with the reason; card numbers are masked. Replay takes corrected ones.
CREATE TABLE IF NOT EXISTS banking.quarantine (
    reason                   VARCHAR(64)     NOT NULL ENCODE BYTEDICT,
    stage                    VARCHAR(16)     NOT NULL ENCODE BYTEDICT,
    field                    VARCHAR(64)     ENCODE ZSTD,
    transaction_id           VARCHAR(64)     ENCODE ZSTD,
    currency                 VARCHAR(3)      ENCODE BYTEDICT,
    credit_debit_indicator   VARCHAR(16)     ENCODE BYTEDICT,
    amount                   DECIMAL(18,4)   NOT NULL ENCODE AZ64,
    stream_incarnation       VARCHAR(64)     NOT NULL ENCODE ZSTD,
    shard_id                 VARCHAR(64)     NOT NULL ENCODE ZSTD,
    sequence_number          VARCHAR(128)    NOT NULL ENCODE ZSTD,
    sub_sequence_number      BIGINT          NOT NULL ENCODE AZ64,
    arrival_time             TIMESTAMP       NOT NULL ENCODE RAW,
    fingerprint              VARCHAR(64)     NOT NULL ENCODE ZSTD,
    run_id                   VARCHAR(64)     ENCODE ZSTD,
    payload                  VARCHAR(65535)  NOT NULL ENCODE ZSTD,
    PRIMARY KEY (stage, stream_incarnation, shard_id, sequence_number, sub_sequence_number)
)
DISTSTYLE EVEN
COMPOUND SORTKEY (arrival_time, reason);

-- What each reason of quarantine means. The set-up fills it from the contract.
CREATE TABLE IF NOT EXISTS banking.quarantine_reasons (
    reason                   VARCHAR(64)     NOT NULL ENCODE ZSTD,      -- As in quarantine and its summary
    meaning                  VARCHAR(256)    NOT NULL ENCODE ZSTD,      -- In words
    PRIMARY KEY (reason)
)
DISTSTYLE ALL
SORTKEY (reason);

-- ISO 4217 currencies, withdrawn ones too. The set-up fills it from the contract.
CREATE TABLE IF NOT EXISTS banking.dim_currency (
    currency                 VARCHAR(3)      NOT NULL ENCODE ZSTD,      -- ISO 4217 alpha-3
    minor_units              SMALLINT        NOT NULL ENCODE AZ64,      -- Decimals of an amount
    PRIMARY KEY (currency)
)
DISTSTYLE ALL
SORTKEY (currency);

-- How many records each run of the job sent to quarantine.
CREATE TABLE IF NOT EXISTS banking.quarantine_summary (
    run_id                   VARCHAR(64)     NOT NULL ENCODE ZSTD,      -- The run
    reason                   VARCHAR(64)     NOT NULL ENCODE BYTEDICT,  -- Why the records were refused
    records                  BIGINT          NOT NULL ENCODE AZ64,      -- How many
    PRIMARY KEY (run_id, reason)
)
DISTSTYLE ALL
SORTKEY (run_id);

-- What each run added to fact_transactions and pending_transactions, as counted in the transaction that added it.
CREATE TABLE IF NOT EXISTS banking.load_control_totals (
    run_id                   VARCHAR(64)     NOT NULL ENCODE ZSTD,      -- The loaded run
    currency                 VARCHAR(3)      NOT NULL ENCODE BYTEDICT,  -- ISO 4217 alpha-3
    credit_debit_indicator   VARCHAR(4)      NOT NULL ENCODE BYTEDICT,  -- ISO 20022 CRDT or DBIT
    records                  BIGINT          NOT NULL ENCODE AZ64,      -- Rows that it added
    amount                   DECIMAL(38,4)   NOT NULL ENCODE AZ64,      -- Sum of their unsigned amounts
    table_name               VARCHAR(32)     ENCODE BYTEDICT,           -- Where to
    PRIMARY KEY (run_id, table_name, currency, credit_debit_indicator)
)
DISTSTYLE ALL
SORTKEY (run_id);

-- Never read, never written: loads LOCK it first, and so queue up, while everybody can still read the ledger.
CREATE TABLE IF NOT EXISTS banking.load_lock (
    held                     BOOLEAN         ENCODE RAW                 -- Always empty
)
DISTSTYLE ALL;

-- Accounts that only some may see (of the bank's own staff, of politically exposed persons). Compliance fills it.
CREATE TABLE IF NOT EXISTS banking.restricted_accounts (
    account_id               VARCHAR(34)     NOT NULL ENCODE ZSTD,      -- The account
    reason                   VARCHAR(64)     NOT NULL ENCODE ZSTD,      -- Why, in words of the bank
    PRIMARY KEY (account_id)
)
DISTSTYLE ALL
SORTKEY (account_id);

-- One row per loaded run, written last in the run's transaction: its presence is the proof that the run is loaded.
CREATE TABLE IF NOT EXISTS banking.load_ledger (
    run_id                   VARCHAR(64)     NOT NULL ENCODE ZSTD,      -- The loaded run
    manifest_created_at      TIMESTAMP       NOT NULL ENCODE AZ64,      -- When the run was planned
    loaded_at                TIMESTAMP       NOT NULL ENCODE AZ64,      -- When it was loaded (UTC)
    files                    BIGINT          NOT NULL ENCODE AZ64,      -- Curated files
    rows_staged              BIGINT          NOT NULL ENCODE AZ64,      -- Equals the run's count, or it fails
    rows_loaded              BIGINT          NOT NULL ENCODE AZ64,      -- New in fact_transactions
    fraud_alerts             BIGINT          NOT NULL ENCODE AZ64,      -- New in fraud_alerts
    quarantined              BIGINT          NOT NULL ENCODE AZ64,      -- Refused by the job in this run
    pending_loaded           BIGINT          ENCODE AZ64,               -- New in pending_transactions
    PRIMARY KEY (run_id)
)
DISTSTYLE ALL
SORTKEY (manifest_created_at);

-- Every load that was committed. Stays when a run's rows are taken out by hand: the next load of the run then makes
-- accounts, merchants and balances anew from the facts that are left.
CREATE TABLE IF NOT EXISTS banking.load_history (
    run_id                   VARCHAR(64)     NOT NULL ENCODE ZSTD,      -- The loaded run
    loaded_at                TIMESTAMP       NOT NULL ENCODE AZ64       -- When the load was committed (UTC)
)
DISTSTYLE ALL
SORTKEY (run_id);
