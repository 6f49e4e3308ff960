"""The mesh: what turns a message into a claim, a run, a commit and the messages that follow."""
