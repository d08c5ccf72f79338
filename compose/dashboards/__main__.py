"""Writes the dashboards: python -m compose.dashboards"""

from compose.dashboards.boards import write_all

if __name__ == "__main__":
    write_all()
