-- Who may see what in the warehouse: Redshift SQL, run by data_storage/warehouse_security.py, which leaves out what exists
-- already (Redshift has no IF NOT EXISTS for roles and attachments). A changed policy takes a new name: an existing one
-- is never altered under its readers.
--
--   analyst        business columns; no counterparty, free text, card token or stream position; card_last4 masked;
--                  not the restricted accounts
--   fraud_analyst  everything about transactions, alerts and merchants, in clear
--   auditor        every table, every row; card fields masked; changes nothing
--   loader         what the load writes; facts, ledger and totals are append-only for it too
--
-- Order: roles, then policies and their attachment, then privileges, so that nobody reads before the masks are on.

CREATE ROLE analyst;
CREATE ROLE fraud_analyst;
CREATE ROLE auditor;
CREATE ROLE loader;

-- Card fields. The token is a keyed hash already; hashed once more it still joins within the warehouse and fits nothing
-- outside of it.
CREATE MASKING POLICY hide_card_last4_v1 IF NOT EXISTS WITH (card_last4 VARCHAR(4)) USING (CAST('****' AS VARCHAR(4)));
CREATE MASKING POLICY hash_card_token_v1 IF NOT EXISTS WITH (card_token VARCHAR(64))
    USING (CAST(SHA2(card_token, 256) AS VARCHAR(64)));
ATTACH MASKING POLICY hide_card_last4_v1 ON banking.fact_transactions (card_last4) TO ROLE analyst PRIORITY 10;
ATTACH MASKING POLICY hide_card_last4_v1 ON banking.pending_transactions (card_last4) TO ROLE analyst PRIORITY 10;
ATTACH MASKING POLICY hide_card_last4_v1 ON banking.fact_transactions (card_last4) TO ROLE auditor PRIORITY 10;
ATTACH MASKING POLICY hide_card_last4_v1 ON banking.pending_transactions (card_last4) TO ROLE auditor PRIORITY 10;
ATTACH MASKING POLICY hash_card_token_v1 ON banking.fact_transactions (card_token) TO ROLE auditor PRIORITY 10;
ATTACH MASKING POLICY hash_card_token_v1 ON banking.pending_transactions (card_token) TO ROLE auditor PRIORITY 10;
ATTACH MASKING POLICY hash_card_token_v1 ON banking.fact_transactions (former_card_token) TO ROLE auditor PRIORITY 10;
ATTACH MASKING POLICY hash_card_token_v1 ON banking.pending_transactions (former_card_token) TO ROLE auditor
    PRIORITY 10;
ATTACH MASKING POLICY hash_card_token_v1 ON banking.token_links (card_token) TO ROLE auditor PRIORITY 10;
ATTACH MASKING POLICY hash_card_token_v1 ON banking.token_links (former_card_token) TO ROLE auditor PRIORITY 10;
ATTACH MASKING POLICY hash_card_token_v1 ON banking.token_links (first_card_token) TO ROLE auditor PRIORITY 10;
-- A card's alerts are about its token.
ATTACH MASKING POLICY hash_card_token_v1 ON banking.fraud_alerts (subject) TO ROLE auditor PRIORITY 10;

-- Rows. With row-level security on, a role without a policy sees nothing.
CREATE RLS POLICY unrestricted_accounts_v1 WITH (account_id VARCHAR(34))
    USING (account_id NOT IN (SELECT restricted.account_id FROM banking.restricted_accounts AS restricted));
CREATE RLS POLICY all_accounts_v1 USING (TRUE);
ATTACH RLS POLICY unrestricted_accounts_v1 ON TABLE banking.fact_transactions TO ROLE analyst;
ATTACH RLS POLICY unrestricted_accounts_v1 ON TABLE banking.pending_transactions TO ROLE analyst;
ATTACH RLS POLICY unrestricted_accounts_v1 ON TABLE banking.daily_balances TO ROLE analyst;
ATTACH RLS POLICY unrestricted_accounts_v1 ON TABLE banking.dim_account TO ROLE analyst;
ATTACH RLS POLICY all_accounts_v1 ON TABLE banking.fact_transactions TO ROLE fraud_analyst;
ATTACH RLS POLICY all_accounts_v1 ON TABLE banking.pending_transactions TO ROLE fraud_analyst;
ATTACH RLS POLICY all_accounts_v1 ON TABLE banking.daily_balances TO ROLE fraud_analyst;
ATTACH RLS POLICY all_accounts_v1 ON TABLE banking.dim_account TO ROLE fraud_analyst;
ATTACH RLS POLICY all_accounts_v1 ON TABLE banking.fact_transactions TO ROLE auditor;
ATTACH RLS POLICY all_accounts_v1 ON TABLE banking.pending_transactions TO ROLE auditor;
ATTACH RLS POLICY all_accounts_v1 ON TABLE banking.daily_balances TO ROLE auditor;
ATTACH RLS POLICY all_accounts_v1 ON TABLE banking.dim_account TO ROLE auditor;
-- MERGE must see every row, or it would insert again what it can't see.
GRANT IGNORE RLS TO ROLE loader;
ALTER TABLE banking.fact_transactions ROW LEVEL SECURITY ON;
ALTER TABLE banking.pending_transactions ROW LEVEL SECURITY ON;
ALTER TABLE banking.daily_balances ROW LEVEL SECURITY ON;
ALTER TABLE banking.dim_account ROW LEVEL SECURITY ON;

GRANT USAGE ON SCHEMA banking TO ROLE analyst;
GRANT USAGE ON SCHEMA banking TO ROLE fraud_analyst;
GRANT USAGE ON SCHEMA banking TO ROLE auditor;
GRANT USAGE ON SCHEMA banking TO ROLE loader;

GRANT SELECT (transaction_id, account_id, transaction_type, credit_debit_indicator, amount, currency, event_time,
    event_date, value_date, booking_date, booked_date, status, channel, merchant_name, merchant_category_code,
    merchant_country, balance_after, original_transaction_id, pending_transaction_id, card_last4)
    ON banking.fact_transactions TO ROLE analyst;
GRANT SELECT (transaction_id, account_id, transaction_type, credit_debit_indicator, amount, currency, event_time,
    event_date, value_date, booking_date, booked_date, status, channel, merchant_name, merchant_category_code,
    merchant_country, balance_after, original_transaction_id, pending_transaction_id, card_last4)
    ON banking.pending_transactions TO ROLE analyst;
GRANT SELECT ON banking.daily_balances TO ROLE analyst;
GRANT SELECT ON banking.dim_account TO ROLE analyst;
GRANT SELECT ON banking.dim_merchant TO ROLE analyst;
GRANT SELECT ON banking.quarantine_summary TO ROLE analyst;
GRANT SELECT ON banking.quarantine_reasons TO ROLE analyst;
GRANT SELECT ON banking.dim_currency TO ROLE analyst;

GRANT SELECT ON banking.fact_transactions TO ROLE fraud_analyst;
GRANT SELECT ON banking.pending_transactions TO ROLE fraud_analyst;
GRANT SELECT ON banking.fraud_alerts TO ROLE fraud_analyst;
GRANT SELECT ON banking.fraud_alert_evidence TO ROLE fraud_analyst;
GRANT SELECT ON banking.token_links TO ROLE fraud_analyst;
GRANT SELECT ON banking.daily_balances TO ROLE fraud_analyst;
GRANT SELECT ON banking.dim_account TO ROLE fraud_analyst;
GRANT SELECT ON banking.dim_merchant TO ROLE fraud_analyst;
GRANT SELECT ON banking.quarantine_reasons TO ROLE fraud_analyst;
GRANT SELECT ON banking.dim_currency TO ROLE fraud_analyst;

GRANT SELECT ON banking.fact_transactions TO ROLE auditor;
GRANT SELECT ON banking.pending_transactions TO ROLE auditor;
GRANT SELECT ON banking.fraud_alerts TO ROLE auditor;
GRANT SELECT ON banking.fraud_alert_evidence TO ROLE auditor;
GRANT SELECT ON banking.token_links TO ROLE auditor;
GRANT SELECT ON banking.daily_balances TO ROLE auditor;
GRANT SELECT ON banking.dim_account TO ROLE auditor;
GRANT SELECT ON banking.dim_merchant TO ROLE auditor;
GRANT SELECT ON banking.restricted_accounts TO ROLE auditor;
GRANT SELECT ON banking.quarantine_summary TO ROLE auditor;
GRANT SELECT ON banking.quarantine_reasons TO ROLE auditor;
GRANT SELECT ON banking.dim_currency TO ROLE auditor;
GRANT SELECT ON banking.quarantine TO ROLE auditor;
GRANT SELECT ON banking.load_control_totals TO ROLE auditor;
GRANT SELECT ON banking.load_ledger TO ROLE auditor;
GRANT SELECT ON banking.load_history TO ROLE auditor;

REVOKE UPDATE ON banking.fact_transactions FROM ROLE loader;  -- contract 1.0 loaded by MERGE
GRANT SELECT, INSERT ON banking.fact_transactions TO ROLE loader;
GRANT SELECT, INSERT ON banking.pending_transactions TO ROLE loader;
GRANT SELECT, INSERT, UPDATE, DELETE ON banking.dim_account TO ROLE loader;
GRANT SELECT, INSERT, DELETE ON banking.dim_merchant TO ROLE loader;
GRANT SELECT, INSERT ON banking.fraud_alerts TO ROLE loader;
GRANT SELECT, INSERT ON banking.fraud_alert_evidence TO ROLE loader;
GRANT SELECT, INSERT ON banking.token_links TO ROLE loader;
GRANT SELECT, INSERT, UPDATE, DELETE ON banking.daily_balances TO ROLE loader;
GRANT SELECT, INSERT ON banking.quarantine_summary TO ROLE loader;
GRANT SELECT, INSERT ON banking.quarantine TO ROLE loader;
GRANT SELECT, INSERT ON banking.load_control_totals TO ROLE loader;
GRANT SELECT, INSERT ON banking.load_ledger TO ROLE loader;
GRANT SELECT, INSERT ON banking.load_history TO ROLE loader;
GRANT SELECT, UPDATE ON banking.load_lock TO ROLE loader;
