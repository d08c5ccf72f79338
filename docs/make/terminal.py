"""Records the terminal session of the README: python -m docs.make.terminal

It runs `coupon up`, `rush` and `verify` on a stack of its own, on free ports, and writes what they
print to docs/figures/terminal.svg. It is not part of `make docs`, because each run prints other
times.
"""

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

FILE = Path(__file__).parents[1] / "figures" / "terminal.svg"
COLUMNS = 100
SESSION = {"coupon up": "up --ports auto", "coupon rush": "rush", "coupon verify": "verify"}
"""What a reader sees, and what is run for it."""


def main() -> None:
    """Run the session and write the figure."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), highlight=False)
    with TemporaryDirectory(prefix="coupon-terminal-") as folder:
        try:
            for shown, line in SESSION.items():
                console.print(Text.assemble(("$ ", "green"), (shown, "bold")))
                console.print(Text(_shortened(run(line, folder), folder)))
        finally:
            run("down", folder)
    FILE.write_text(without_fonts(console.export_svg(title="coupon", theme=MONOKAI)), "utf-8")


def run(line: str, folder: str) -> str:
    """What the command prints where nothing is written over: the last state of each line."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COUPON_")},
        "COUPON_STATE_DIR": f"{folder}/stack",
        "COLUMNS": str(COLUMNS),
    }
    command = [sys.executable, "-m", "cli", *line.split()]
    return subprocess.run(  # noqa: S603
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    ).stdout


def without_fonts(svg: str) -> str:
    """The picture without the fonts that it would load from elsewhere."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def _shortened(output: str, folder: str) -> str:
    """Without what the rush says to try next, where this stack is, and the code of a link."""
    text = output.partition("\n\nTry next")[0].strip("\n") + "\n"
    text = re.sub(r"/sign-in/\S+(\n\S+(?=\n))?", "/sign-in/…", text)  # it may fill two lines
    return text.replace(f" --state {folder}/stack", "")


if __name__ == "__main__":
    main()
