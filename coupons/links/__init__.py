"""How one process reaches another: URLs, lists of hosts, certificates, a client for HTTP services.

Everything here checks and takes apart what an operator writes. Nothing here knows what the servers
are for.
"""
