"""Names of the platform's own metrics that one place puts and another watches."""

REPEATED_IDS_METRIC = "RepeatedTransactionIds"  # once a day, by the Glue job
