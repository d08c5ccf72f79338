"""Writes the generated pages and figures of docs/: python -m docs.make"""

from docs.make.pages import write_all

if __name__ == "__main__":
    write_all()
