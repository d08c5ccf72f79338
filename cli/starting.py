"""Starts the parts of a stack that are down, and shows the progress on the terminal."""

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from stack.cache import cache_folder, ensure_bundles
from stack.errors import SettingError
from stack.folder import StateFolder
from stack.graph import Stage
from stack.lifecycle import bring_up, take_down
from stack.options import StackOptions, remember, remembered
from stack.parts import is_running
from stack.plan import all_parts, setup_steps


def start_stack(folder: StateFolder, options: StackOptions, console: Console) -> list[str]:
    """Start every part that is down, wait until all work; return the names of what was started.

    The options are remembered unless a port is taken, because then nothing was started. Consumers
    above the number in the options are stopped.
    """
    bundles = ensure_bundles(_Download(console))
    parts = all_parts(folder, options, bundles)
    names = [part.name for part in parts]
    consumers = [name for name in folder.part_names() if name.startswith("consumer-")]
    surplus = [name for name in consumers if name not in options.consumer_names]
    already = {name for name in names if is_running(folder.part(name))}
    before = remembered(folder)
    remember(folder, options)
    take_down(folder, surplus, lambda name, _: console.print(f"  {name:<12} stopped"))

    def on_stage(name: str, stage: Stage, seconds: float) -> None:
        if stage == "ready" and name in already:
            console.print(f"  {name:<12} was running")
        elif stage != "starting":
            console.print(f"  {name:<12} {stage:<8} {seconds:5.1f} s")

    try:
        return bring_up(folder, parts, setup_steps(folder, options), on_stage)
    except SettingError:
        remember(folder, before)
        raise


class _Download:
    """A progress bar that appears only when something is downloaded."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        self._progress = Progress(*columns, TransferSpeedColumn(), console=console)

    def __call__(self, done: int, total: int) -> None:
        if not self._progress.task_ids:
            self._progress.console.print(f"Downloading the servers into {cache_folder()}")
            self._progress.add_task("  download", total=total)
            self._progress.start()
        self._progress.update(self._progress.task_ids[0], completed=done)
        if done >= total:
            self._progress.stop()
