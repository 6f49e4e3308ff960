"""The diarizer: who speaks when."""
