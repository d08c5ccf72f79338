"""What every process has: its settings, its main function, logging, metrics and health probes."""
