"""Detectors of one channel, each blind to something the others see, and what they say together."""
