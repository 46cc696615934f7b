"""What every test shares."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long one example takes says something about the machine, not about the code.
settings.register_profile("cubesat-tui", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cubesat-tui")
