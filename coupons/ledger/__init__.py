"""The ledger: the SQL side. Functions take a psycopg connection and run named queries of sql/."""
