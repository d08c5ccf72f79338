"""Clients of Kafka: client.py makes them, security.py reads how their link is secured."""
