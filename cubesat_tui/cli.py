"""The command line: which command lives in which file, loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from cubesat_tui import collector
from cubesat_tui.commands.options import mission_option, mission_path_of, operator_option
from telemetry.plain_text import plain_text

COMMANDS = {
    "run": ("cubesat_tui.commands.run", "run", "Run a station without a console."),
    "sim": ("cubesat_tui.commands.sim", "sim", "Simulate into a pipe, a mission or a table with labels."),
    "trainer": ("cubesat_tui.commands.trainer", "trainer", "Run the trainer of a mission without a station."),
    "replay": ("cubesat_tui.commands.replay", "replay", "Play a recorded file into a mission."),
    "evaluate": ("cubesat_tui.commands.evaluate", "evaluate", "Judge a detector on published data."),
    "export": ("cubesat_tui.commands.export", "export", "Write a selection of the ledger to a file."),
    "status": ("cubesat_tui.commands.look", "status", "Say how a mission stands."),
    "alarms": ("cubesat_tui.commands.look", "alarms", "List the open alarms."),
    "events": ("cubesat_tui.commands.look", "events", "List the newest events."),
    "handover": ("cubesat_tui.commands.handover", "handover", "Tell the next shift what happened."),
    "passes": ("cubesat_tui.commands.passes", "passes", "List the passes to come."),
    "ack": ("cubesat_tui.commands.act", "ack", "Acknowledge alarms."),
    "shelve": ("cubesat_tui.commands.shelve", "shelve", "Put an alarm aside for a while, with a reason."),
    "note": ("cubesat_tui.commands.note", "note", "Write to an alarm, or for the shift."),
    "undo": ("cubesat_tui.commands.note", "undo", "Take back an act within 30 s."),
    "accept": ("cubesat_tui.commands.accept", "accept", "Accept an anomaly as nominal."),
    "runs": ("cubesat_tui.commands.runs", "runs", "List the training runs and what serves."),
    "promote": ("cubesat_tui.commands.govern", "promote", "Let another model score, with a reason."),
    "rollback": ("cubesat_tui.commands.govern", "rollback", "Return to an earlier model, with a reason."),
    "hold": ("cubesat_tui.commands.govern", "hold", "Hold automatic promotion for a time."),
    "lineage": ("cubesat_tui.commands.lineage", "lineage", "Tell which model scored a frame, and why that one."),
    "mlflow-ui": ("cubesat_tui.commands.mlflow_ui", "mlflow_ui", "Show the runs in MLflow's own user interface."),
    "inject": ("cubesat_tui.commands.inject", "inject", "Break something in the simulator."),
    "check": ("cubesat_tui.commands.check", "check", "Validate a mission definition."),
    "doctor": ("cubesat_tui.commands.doctor", "doctor", "Diagnose this machine, offline."),
}


LOOKING = (
    "status",
    "alarms",
    "events",
    "passes",
    "handover",
    "check",
    "doctor",
    "export",
    "evaluate",
    "runs",
    "lineage",
)
"""Commands that change no mission."""
DRAWING = ("replay",)
"""Commands that open the console."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they run, so that `--help` and `status` stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called `cmd_name`, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click, and an unknown command is answered with the known ones."""
        if args and args[0] not in COMMANDS:
            ctx.fail(f"no command {args[0]!r}. Known: {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@mission_option
@click.option(
    "--attach",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[DIR|firebase]",
    help="Only look at a station that runs elsewhere: in DIR, over the link of mission.toml (firebase), or, with no"
    " value, in the mission directory if one runs there, else where its [link] says.",
)
@click.option(
    "--scenario",
    metavar="NAME",
    help="What happens in a new demo mission: hello (default), bad-day, campaign, dead-panel, detumble,"
    " eclipse-season, quiet, radio-fading, reset-storm or stuck-heater; or a .toml file.",
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of a new demo mission (default 1).")
@click.option("--read-only", is_flag=True, help="Look, but change nothing.")
@operator_option
@click.option(
    "--line",
    type=click.Choice(("auto", "full", "thin")),
    default="auto",
    help="How to draw: full, or thin for a slow connection: changed cells only, once a second, leaving out what the"
    " line has no room for. auto (default): as fast as the terminal was seen to be; the status bar says which.",
)
@click.option(
    "--signs",
    type=click.Choice(("auto", "unicode", "blocks", "ascii")),
    default="auto",
    help="What to draw with: unicode, blocks where the font has no braille, or ascii. auto (default): what the"
    " terminal has.",
)
@click.option(
    "--mouse/--no-mouse",
    default=None,
    help="Whether the console takes the mouse from the terminal (default: yes, but not over SSH).",
)
@click.version_option(package_name="cubesat-tui", prog_name="cubesat-tui")
@click.pass_context
def root(
    context: click.Context,
    mission_path: Path | None,
    attach: str | None,
    scenario: str | None,
    seed: int | None,
    read_only: bool,
    operator: str | None,
    line: str,
    signs: str,
    mouse: bool | None,
) -> None:
    """The terminal mission console for CubeSats.

    Without a command: open the console, on the demo mission unless --mission says otherwise.
    """
    if context.invoked_subcommand is not None:
        collector.release()
        if attach is not None:
            context.fail(f"--attach belongs to the console and means nothing to {context.invoked_subcommand!r}")
        if read_only and context.invoked_subcommand not in LOOKING:
            context.fail(f"--read-only: {context.invoked_subcommand} changes the mission; nothing was done")
        if line != "auto" and context.invoked_subcommand not in DRAWING:
            context.fail(f"--line belongs to the console and means nothing to {context.invoked_subcommand!r}")
        for option, given in (("--signs", signs != "auto"), ("--mouse", mouse is not None)):
            if given and context.invoked_subcommand not in DRAWING:
                context.fail(f"{option} belongs to the console and means nothing to {context.invoked_subcommand!r}")
        return
    # The others are read from the context: where a demo mission is made, and where the console is drawn.
    del scenario, seed, line, signs, mouse
    from cubesat_tui.terminal.first_line import FirstLine, satellite_named_in

    with FirstLine() as first_line:
        # Before the imports below, which are most of a start.
        path = mission_path_of(context, Path(attach) if attach and attach != "firebase" else mission_path)
        name = plain_text(satellite_named_in(path / "mission.toml") or path.name, 40)
        first_line.show(name, "LINK CONNECTING  opening the console")
        context.obj = first_line
        from cubesat_tui.commands.console import open_console

        open_console(context, mission_path, attach, read_only, operator)
