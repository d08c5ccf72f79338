"""Grafana's dashboards as code: python -m compose.dashboards writes compose/monitoring/dashboards.

Built with Grafana's own generator library (grafana-foundation-sdk, Apache-2.0): its types are made
from Grafana's schema, so a wrong field fails here and not in a browser.
"""
