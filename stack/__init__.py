"""The embedded stack: Postgres, Valkey, Kafka, a schema registry and Connect as plain processes.

plan.py lists what `coupon up` runs: server_parts.py the servers, applications.py the project's own
processes. lifecycle.py starts and stops them. options.py remembers ports and consumers in the state
folder (folder.py). cache.py downloads the servers.
"""
