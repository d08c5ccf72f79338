"""The five servers: the path of each program, its settings and its health check."""
