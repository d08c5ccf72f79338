"""The `coupon` command: one module a command, its options and what it prints; no logic.

main.py lists the commands. options.py has the options that several share, endpoints.py finds the
system that a command works on, session.py connects to it, exit_codes.py turns errors into exit
codes, failures.py prints them. advice.py completes the commands that messages tell a person to
type.
"""
