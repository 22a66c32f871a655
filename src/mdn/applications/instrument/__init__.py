"""Instruments of one to sixteen values, learnt and played."""
