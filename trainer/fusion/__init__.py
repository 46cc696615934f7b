"""The members of all channels of a packet side by side: the arithmetic the station serves. numpy only."""
