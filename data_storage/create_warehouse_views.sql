-- What a transaction is now: derived from the append-only facts and pending items, stored nowhere. Run after the masks
-- and row policies, which hold for whoever asks a view as they do for its tables. Made anew each time.
--
-- ${pending_expiry_days}: an authorisation that nobody settled for so many days is taken for expired.
-- A place in the stream is text that sorts so; a replayed row stands where the one stood that it replaces.
--
-- The text above a view, and behind a column, is its comment in the warehouse and in docs/data_dictionary.md. A column
-- without one has the contract's.

DROP VIEW IF EXISTS banking.daily_activity;
DROP VIEW IF EXISTS banking.balances_as_of;
DROP VIEW IF EXISTS banking.fraud_queue;
DROP VIEW IF EXISTS banking.quarantined_records;
DROP VIEW IF EXISTS banking.card_transactions;
DROP VIEW IF EXISTS banking.fraud_alert_status;
DROP VIEW IF EXISTS banking.reversals;
DROP VIEW IF EXISTS banking.current_transactions;
DROP VIEW IF EXISTS banking.pending_items;
DROP VIEW IF EXISTS banking.booked_transactions;

-- What BI sums: entries of the accounts' books.
CREATE VIEW banking.booked_transactions (
    transaction_id,
    account_id,
    transaction_type,
    credit_debit_indicator,
    amount,
    currency,
    signed_amount,            -- Debits below zero
    event_time,
    event_date,
    value_date,
    booked_date,
    channel,
    merchant_name,
    merchant_category_code,
    merchant_country,
    balance_after,
    original_transaction_id,
    pending_transaction_id,
    amount_text               -- signed_amount with the currency's own decimals, to read
) AS
SELECT transaction_id, account_id, transaction_type, credit_debit_indicator, amount, entry.currency, signed_amount,
    event_time, event_date, value_date, booked_date, channel, merchant_name, merchant_category_code, merchant_country,
    balance_after, original_transaction_id, pending_transaction_id, ${amount_text}
FROM (SELECT fact.*, CASE WHEN credit_debit_indicator = 'CRDT' THEN amount ELSE -amount END AS signed_amount
    FROM banking.fact_transactions AS fact WHERE status = 'BOOKED') AS entry
LEFT JOIN banking.dim_currency AS units ON units.currency = entry.currency;

-- Every put of a pending item, and what became of it:
--   LATE        came after the item's final state
--   SUPERSEDED  a newer put of the item followed, before its final state
--   SETTLED     booked, under its own id or by entries that name it in pending_transaction_id
--   REJECTED    the bank refused it
--   EXPIRED     nothing of all that for ${pending_expiry_days} days
--   OPEN        still to come
CREATE VIEW banking.pending_items (
    transaction_id,
    content_hash,
    account_id,
    transaction_type,
    credit_debit_indicator,
    amount,
    currency,
    event_time,
    event_date,
    channel,
    merchant_name,
    merchant_category_code,
    merchant_country,
    original_transaction_id,
    state,                    -- What became of the put
    is_newest,                -- No newer put of the item came before its final state
    has_final_state           -- The item is booked or rejected
) AS
SELECT put.transaction_id, put.content_hash, put.account_id, put.transaction_type, put.credit_debit_indicator,
    put.amount, put.currency, put.event_time, put.event_date, put.channel, put.merchant_name,
    put.merchant_category_code, put.merchant_country, put.original_transaction_id,
    CASE WHEN put.is_late THEN 'LATE'
        WHEN put.newest > 1 THEN 'SUPERSEDED'
        WHEN put.final_status = 'BOOKED' OR settling.entries > 0 THEN 'SETTLED'
        WHEN put.final_status = 'REJECTED' THEN 'REJECTED'
        WHEN put.event_date < CURRENT_DATE - ${pending_expiry_days} THEN 'EXPIRED'
        ELSE 'OPEN' END AS state,
    put.newest = 1 AS is_newest, put.final_status IS NOT NULL AS has_final_state
FROM (SELECT placed.*, ROW_NUMBER() OVER (PARTITION BY transaction_id, is_late ORDER BY stream_place DESC) AS newest
    FROM (SELECT pending.transaction_id, pending.content_hash, pending.account_id, pending.transaction_type,
            pending.credit_debit_indicator, pending.amount, pending.currency, pending.event_time, pending.event_date,
            pending.channel, pending.merchant_name, pending.merchant_category_code, pending.merchant_country,
            pending.original_transaction_id, pending.stream_place, final.status AS final_status,
            COALESCE(pending.stream_place > final.stream_place, FALSE) AS is_late
        FROM (SELECT transaction_id, content_hash, account_id, transaction_type, credit_debit_indicator, amount,
                currency, event_time, event_date, channel, merchant_name, merchant_category_code, merchant_country,
                original_transaction_id, ${place} AS stream_place
            FROM banking.pending_transactions) AS pending
        LEFT JOIN (SELECT transaction_id, status, ${place} AS stream_place FROM banking.fact_transactions) AS final
            ON final.transaction_id = pending.transaction_id) AS placed) AS put
LEFT JOIN (SELECT pending_transaction_id, COUNT(*) AS entries FROM banking.fact_transactions
    WHERE status = 'BOOKED' AND pending_transaction_id IS NOT NULL GROUP BY pending_transaction_id) AS settling
    ON settling.pending_transaction_id = put.transaction_id;

-- Each id once, with its state: BOOKED, REJECTED, or that of the newest put of a pending item.
CREATE VIEW banking.current_transactions (
    transaction_id,
    state,                    -- BOOKED, REJECTED, PENDING, SETTLED, EXPIRED
    account_id,
    transaction_type,
    credit_debit_indicator,
    amount,
    currency,
    event_time,
    event_date,
    booked_date,
    channel,
    merchant_name,
    merchant_category_code,
    merchant_country,
    balance_after,
    original_transaction_id,
    signed_amount,            -- Debits below zero
    amount_text               -- signed_amount with the currency's own decimals, to read
) AS
SELECT transaction_id, state, account_id, transaction_type, credit_debit_indicator, amount, entry.currency, event_time,
    event_date, booked_date, channel, merchant_name, merchant_category_code, merchant_country, balance_after,
    original_transaction_id, signed_amount, ${amount_text}
FROM (SELECT latest.*, CASE WHEN credit_debit_indicator = 'CRDT' THEN amount ELSE -amount END AS signed_amount
    FROM (SELECT transaction_id, status AS state, account_id, transaction_type, credit_debit_indicator, amount,
            currency, event_time, event_date, booked_date, channel, merchant_name, merchant_category_code,
            merchant_country, balance_after, original_transaction_id
        FROM banking.fact_transactions
        UNION ALL
        SELECT transaction_id, CASE WHEN state = 'OPEN' THEN 'PENDING' ELSE state END, account_id, transaction_type,
            credit_debit_indicator, amount, currency, event_time, event_date, CAST(NULL AS DATE), channel,
            merchant_name, merchant_category_code, merchant_country, CAST(NULL AS DECIMAL(18,4)),
            original_transaction_id
        FROM banking.pending_items WHERE is_newest AND NOT has_final_state) AS latest) AS entry
LEFT JOIN banking.dim_currency AS units ON units.currency = entry.currency;

-- Each reversal and its original, whichever came first.
CREATE VIEW banking.reversals (
    transaction_id,
    state,                    -- Of the reversal, as in current_transactions
    account_id,
    credit_debit_indicator,
    amount,
    currency,
    event_time,
    event_date,
    original_transaction_id,
    link,                     -- LINKED, UNKNOWN_ORIGINAL (not come yet, or never), or REVERSAL_OF_REVERSAL
    original_state,           -- Of the original, as in current_transactions
    original_account_id,      -- The original's account
    original_amount,          -- The original's amount, unsigned
    original_currency,        -- The original's currency
    original_event_time       -- When the original happened
) AS
SELECT reversal.transaction_id, reversal.state, reversal.account_id, reversal.credit_debit_indicator, reversal.amount,
    reversal.currency, reversal.event_time, reversal.event_date, reversal.original_transaction_id,
    CASE WHEN original.transaction_id IS NULL THEN 'UNKNOWN_ORIGINAL'
        WHEN original.transaction_type = 'REVERSAL' THEN 'REVERSAL_OF_REVERSAL'
        ELSE 'LINKED' END AS link,
    original.state AS original_state, original.account_id AS original_account_id, original.amount AS original_amount,
    original.currency AS original_currency, original.event_time AS original_event_time
FROM banking.current_transactions AS reversal
LEFT JOIN banking.current_transactions AS original
    ON original.transaction_id = reversal.original_transaction_id
WHERE reversal.transaction_type = 'REVERSAL';

-- Alerts, and how many of the transactions that they rest on still stand: neither rejected nor reversed. With fewer
-- than the rule takes, an alert is closed.
CREATE VIEW banking.fraud_alert_status (
    alert_id,
    rule,
    severity,
    subject_type,
    bucket_start,
    event_date,
    reason,
    least_evidence,
    standing_evidence,        -- Transactions that the alert rests on and that stand
    state                     -- OPEN or CLOSED
) AS
SELECT alert.alert_id, alert.rule, alert.severity, alert.subject_type, alert.bucket_start, alert.event_date,
    alert.reason, alert.least_evidence, COALESCE(standing.transactions, 0) AS standing_evidence,
    CASE WHEN COALESCE(standing.transactions, 0) < alert.least_evidence THEN 'CLOSED' ELSE 'OPEN' END AS state
FROM banking.fraud_alerts AS alert
LEFT JOIN (SELECT evidence.alert_id, COUNT(DISTINCT evidence.transaction_id) AS transactions
    FROM banking.fraud_alert_evidence AS evidence
    LEFT JOIN banking.fact_transactions AS rejected
        ON rejected.transaction_id = evidence.transaction_id AND rejected.status = 'REJECTED'
    LEFT JOIN (SELECT DISTINCT original_transaction_id FROM banking.fact_transactions
        WHERE transaction_type = 'REVERSAL' AND status = 'BOOKED') AS reversed
        ON reversed.original_transaction_id = evidence.transaction_id
    WHERE rejected.transaction_id IS NULL AND reversed.original_transaction_id IS NULL
    GROUP BY evidence.alert_id) AS standing
    ON standing.alert_id = alert.alert_id;

-- What was done with a card, over rotations of the token key.
CREATE VIEW banking.card_transactions (
    card,                     -- The card's first known token, which alerts name
    card_token,
    card_last4,
    transaction_id,
    account_id,
    transaction_type,
    credit_debit_indicator,
    amount,
    currency,
    status,
    event_time,
    event_date,
    channel,
    merchant_name,
    merchant_category_code,
    merchant_country
) AS
SELECT COALESCE(links.first_card_token, fact.card_token) AS card, fact.card_token, fact.card_last4, fact.transaction_id,
    fact.account_id, fact.transaction_type, fact.credit_debit_indicator, fact.amount, fact.currency, fact.status,
    fact.event_time, fact.event_date, fact.channel, fact.merchant_name, fact.merchant_category_code,
    fact.merchant_country
FROM banking.fact_transactions AS fact
LEFT JOIN banking.token_links AS links ON links.card_token = fact.card_token
WHERE fact.card_token IS NOT NULL;

-- Open alerts with what they rest on, for who works them off: ORDER BY priority, bucket_start.
CREATE VIEW banking.fraud_queue (
    priority,                 -- 1 HIGH, 2 MEDIUM, 3 LOW
    alert_id,
    rule,
    severity,
    subject_type,
    subject,
    bucket_start,
    reason,
    transactions,             -- Standing transactions that the alert rests on
    accounts,                 -- Accounts of its evidence
    first_event_time,         -- Of its evidence
    last_event_time           -- Of its evidence
) AS
SELECT CASE status.severity WHEN 'HIGH' THEN 1 WHEN 'MEDIUM' THEN 2 ELSE 3 END, status.alert_id, status.rule,
    status.severity, status.subject_type, alert.subject, status.bucket_start, status.reason, status.standing_evidence,
    rests_on.accounts, rests_on.first_event_time, rests_on.last_event_time
FROM banking.fraud_alert_status AS status
JOIN banking.fraud_alerts AS alert ON alert.alert_id = status.alert_id
LEFT JOIN (SELECT alert_id, COUNT(DISTINCT account_id) AS accounts, MIN(event_time) AS first_event_time,
        MAX(event_time) AS last_event_time
    FROM banking.fraud_alert_evidence GROUP BY alert_id) AS rests_on
    ON rests_on.alert_id = status.alert_id
WHERE status.state = 'OPEN';

-- What each account booked on a day, in each currency.
CREATE VIEW banking.daily_activity (
    account_id,
    currency,
    booked_date,
    entries,                  -- Booked entries
    credits,                  -- Entries of CRDT
    credited,                 -- Their amounts
    debits,                   -- Entries of DBIT
    debited,                  -- Their amounts, above zero
    net_amount,               -- credited less debited
    net_text                  -- net_amount with the currency's own decimals, to read
) AS
SELECT account_id, entry.currency, booked_date, entries, credits, credited, debits, debited, signed_amount, ${amount_text}
FROM (SELECT account_id, currency, booked_date, COUNT(*) AS entries,
        SUM(CASE WHEN credit_debit_indicator = 'CRDT' THEN 1 ELSE 0 END) AS credits,
        SUM(CASE WHEN credit_debit_indicator = 'CRDT' THEN amount ELSE 0 END) AS credited,
        SUM(CASE WHEN credit_debit_indicator = 'DBIT' THEN 1 ELSE 0 END) AS debits,
        SUM(CASE WHEN credit_debit_indicator = 'DBIT' THEN amount ELSE 0 END) AS debited,
        SUM(CASE WHEN credit_debit_indicator = 'CRDT' THEN amount ELSE -amount END) AS signed_amount
    FROM banking.fact_transactions WHERE status = 'BOOKED'
    GROUP BY account_id, currency, booked_date) AS entry
LEFT JOIN banking.dim_currency AS units ON units.currency = entry.currency;

-- The balance of each account and currency over time: as of a day D, the row with
-- valid_from <= D and (valid_until IS NULL or D < valid_until).
CREATE VIEW banking.balances_as_of (
    account_id,
    currency,
    closing_balance,          -- Booked; may be negative
    valid_from,               -- The booked date of the balance
    valid_until,              -- The booked date of the next one; null for the newest
    balance_text              -- closing_balance with the currency's own decimals, to read
) AS
SELECT account_id, entry.currency, signed_amount, valid_from, valid_until, ${amount_text}
FROM (SELECT account_id, currency, closing_balance AS signed_amount, balance_date AS valid_from,
        LEAD(balance_date) OVER (PARTITION BY account_id, currency ORDER BY balance_date) AS valid_until
    FROM banking.daily_balances) AS entry
LEFT JOIN banking.dim_currency AS units ON units.currency = entry.currency;

-- Each record that landing or job refused, with what its reason means. Its text is in the table quarantine.
CREATE VIEW banking.quarantined_records (
    reason,                   -- Why it was refused
    meaning,                  -- The reason in words
    stage,
    field,
    transaction_id,           -- If readable and free of card numbers
    amount,                   -- What it counts for in control totals, 0 if unreadable
    currency,                 -- Null if unreadable
    credit_debit_indicator,   -- Null if unreadable
    arrival_time,
    run_id,                   -- The run that refused it, for stage etl
    stream_incarnation,
    shard_id,
    sequence_number,
    sub_sequence_number
) AS
SELECT refused.reason, reasons.meaning, refused.stage, refused.field, refused.transaction_id, refused.amount,
    refused.currency, refused.credit_debit_indicator, refused.arrival_time, refused.run_id, refused.stream_incarnation,
    refused.shard_id, refused.sequence_number, refused.sub_sequence_number
FROM banking.quarantine AS refused
LEFT JOIN banking.quarantine_reasons AS reasons ON reasons.reason = refused.reason;

GRANT SELECT ON banking.booked_transactions TO ROLE analyst;
GRANT SELECT ON banking.pending_items TO ROLE analyst;
GRANT SELECT ON banking.current_transactions TO ROLE analyst;
GRANT SELECT ON banking.reversals TO ROLE analyst;
GRANT SELECT ON banking.booked_transactions TO ROLE fraud_analyst;
GRANT SELECT ON banking.pending_items TO ROLE fraud_analyst;
GRANT SELECT ON banking.current_transactions TO ROLE fraud_analyst;
GRANT SELECT ON banking.reversals TO ROLE fraud_analyst;
GRANT SELECT ON banking.fraud_alert_status TO ROLE fraud_analyst;
GRANT SELECT ON banking.card_transactions TO ROLE fraud_analyst;
GRANT SELECT ON banking.fraud_queue TO ROLE fraud_analyst;
GRANT SELECT ON banking.quarantined_records TO ROLE fraud_analyst;
GRANT SELECT ON banking.daily_activity TO ROLE analyst;
GRANT SELECT ON banking.daily_activity TO ROLE fraud_analyst;
GRANT SELECT ON banking.daily_activity TO ROLE auditor;
GRANT SELECT ON banking.balances_as_of TO ROLE analyst;
GRANT SELECT ON banking.balances_as_of TO ROLE fraud_analyst;
GRANT SELECT ON banking.balances_as_of TO ROLE auditor;
GRANT SELECT ON banking.fraud_queue TO ROLE auditor;
GRANT SELECT ON banking.quarantined_records TO ROLE auditor;
GRANT SELECT ON banking.booked_transactions TO ROLE auditor;
GRANT SELECT ON banking.pending_items TO ROLE auditor;
GRANT SELECT ON banking.current_transactions TO ROLE auditor;
GRANT SELECT ON banking.reversals TO ROLE auditor;
GRANT SELECT ON banking.fraud_alert_status TO ROLE auditor;
