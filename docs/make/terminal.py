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
SESSION = ("up --ports auto", "rush", "verify", "down")
SHOWN = {"up --ports auto": "up", "rush": "rush", "verify": "verify"}


def main() -> None:
    """Run the session and write the figure."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), highlight=False)
    with TemporaryDirectory(prefix="coupon-terminal-") as folder:
        try:
            for line in SESSION[:-1]:
                console.print(Text.assemble(("$ ", "green"), (f"coupon {SHOWN[line]}", "bold")))
                console.print(Text.from_ansi(_tidy(run(line, folder))))
        finally:
            run(SESSION[-1], folder)
    FILE.write_text(without_fonts(console.export_svg(title="coupon", theme=MONOKAI)), "utf-8")


def run(line: str, folder: str) -> str:
    """What the command prints, with its colours."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COUPON_")},
        "COUPON_STATE_DIR": f"{folder}/stack",
        "FORCE_COLOR": "1",
        "COLUMNS": str(COLUMNS),
    }
    command = [sys.executable, "-m", "cli", *line.split()]
    done = subprocess.run(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.stdout


def without_fonts(svg: str) -> str:
    """The picture without the fonts that it would load from elsewhere."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def _tidy(output: str) -> str:
    """Only the last state of what is written over, and nothing after the rush's results."""
    lines = [line.rpartition("\r")[2] for line in output.rstrip("\n").splitlines()]
    text = "\n".join(lines)
    return text.partition("\n\nTry next")[0].rstrip() + "\n"


if __name__ == "__main__":
    main()
