"""The long run: the loop, its runs and its store."""
