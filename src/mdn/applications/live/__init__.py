"""What chapters share when they play live: the loop, its log and its remarks, OSC, MIDI ports, and whose turn it is."""
