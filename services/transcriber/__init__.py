"""Turns chunks of a recording into text: speech is decoded with Whisper, every job option honoured."""
