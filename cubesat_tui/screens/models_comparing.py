"""The keys of Models about one run: beside which other it stands, and where its model comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work

from cubesat_tui.run_diff import pair_of
from cubesat_tui.screens.models_governing import ModelsGoverning

if TYPE_CHECKING:
    from cubesat_tui.models_now import ModelsNow
    from cubesat_tui.run_list import RunList
    from cubesat_tui.snapshot import Snapshot
    from telemetry.store.rows import RunRow


class ModelsComparing(ModelsGoverning):
    """Base of the Models screen; knows what was read."""

    def __init__(self) -> None:
        super().__init__()
        self._runs: RunList | None = None
        """The runs that are listed; None until the first ones were read."""
        self._models: ModelsNow | None = None
        """What does not depend on the list: trends, the champion, how models came to score."""

    def _until_ns(self, snapshot: Snapshot) -> int | None:
        """In the past the moment by which a run was recorded; None for all.

        Runs are recorded at wall time. Where the mission lives in another one (a replay) all are shown, and the
        title says so.
        """
        live = self.console_app.snapshot
        return snapshot.past_ns if live is None or live.now_ns == live.wall_ns else None

    def action_inspect(self) -> None:
        """Unfold `kept` runs; of a single one tell where it comes from."""
        line, shown = self.table.selected, self.console_app.shown
        if line is not None and shown is not None and not self.table.unfold():
            self._tell_lineage(line.newest, shown)

    @work(exclusive=True, group="lineage", exit_on_error=False)
    async def _tell_lineage(self, run: RunRow, shown: Snapshot) -> None:
        from cubesat_tui.run_lineage import lineage_of_run
        from cubesat_tui.screens.run_cards import LineageCard

        app, until_ns = self.console_app, self._until_ns(shown)
        told = await app.view.ask_once(
            lambda reader: lineage_of_run(reader, app.directory, run, shown.satellite, until_ns)
        )
        if self.is_current:
            app.push_screen(LineageCard(told, shown.wall_ns if until_ns is None else until_ns))

    def action_diff(self) -> None:
        """The selected run beside the champion, or beside any other."""
        from cubesat_tui.screens.run_cards import DiffCard

        app, line = self.console_app, self.table.selected
        if line is None or app.shown is None:
            return
        run, pair = line.newest, self._pair(line.newest)
        if run.fit_s is None:
            app.say(f"Nothing was fitted in {line.number}: there is no model to compare.")
        elif pair is None:
            app.say("No other run was fitted yet: there is nothing to compare with.")
        else:
            others = [one for one in self._fitted() if one.id != run.id]
            if pair[0] not in others:
                others.append(pair[0])
            app.push_screen(DiffCard(run, others, others.index(pair[0]), app.shown.model.version))

    def _pair(self, wanted: RunRow | None = None) -> tuple[RunRow, RunRow] | None:
        champion = None if self._models is None else self._models.champion
        line = self.table.selected
        return pair_of(self._fitted(), champion, None if line is None else line.newest, wanted)

    def _fitted(self) -> list[RunRow]:
        """Runs that can be compared, newest first: those listed, and the newest of all."""
        listed = [] if self._runs is None else [run for run in self._runs.rows if run.fit_s is not None]
        newest = () if self._models is None else self._models.fitted
        return sorted({run.id: run for run in (*listed, *newest)}.values(), key=lambda run: -run.id)
