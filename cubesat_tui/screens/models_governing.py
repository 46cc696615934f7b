"""The keys of Models that decide which model scores: promote, roll back, hold and release."""

from __future__ import annotations

from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.widgets.run_table import RunTable


class ModelsGoverning(MissionScreen):
    """Base of the Models screen; acts on the selected run."""

    @property
    def table(self) -> RunTable:
        return self.query_one(RunTable)

    def action_promote(self) -> None:
        """Let the model of the selected run score."""
        from cubesat_tui.screens.govern import PromoteDialog

        app, line = self.console_app, self.table.selected
        if not self._may("promoted") or app.snapshot is None:
            return
        run = None if line is None else line.newest
        if run is None or run.version is None:
            app.say("This run left no model: only what passed the gate has a version.")
        elif run.version == app.snapshot.model.version:
            app.say(f"v{run.version} scores already.")
        else:
            app.push_screen(PromoteDialog(app.snapshot, run))

    def action_roll_back(self) -> None:
        """Return to the model before."""
        from cubesat_tui.screens.govern import RollBackDialog

        app = self.console_app
        if not self._may("rolled back") or app.snapshot is None:
            return
        model = app.snapshot.model
        if model.version is None:
            app.say("No model scores yet: there is nothing to roll back.")
        elif model.before is None and len(app.snapshot.mission.satellites) == 1:
            app.say(f"No model is known to have scored before v{model.version}.")
        else:
            app.push_screen(RollBackDialog(app.snapshot))

    def action_hold(self) -> None:
        """Hold automatic promotion, or release it."""
        from cubesat_tui.screens.govern import HoldDialog, ReleaseDialog

        app = self.console_app
        if not self._may("held") or app.snapshot is None:
            return
        if app.snapshot.model.version is None:
            app.say("No model scores yet: the first one is always promoted.")
        else:
            app.push_screen((HoldDialog if app.snapshot.model.hold is None else ReleaseDialog)(app.snapshot))

    def _may(self, done: str) -> bool:
        app = self.console_app
        if app.read_only:
            app.say(f"This console is read-only: nothing can be {done} from here.", "warning")
        return not app.read_only
