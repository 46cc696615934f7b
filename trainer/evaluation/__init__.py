"""What a detector is worth, on published data and on simulated days."""
