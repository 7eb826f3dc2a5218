"""Safe, streaming extraction of tar archives."""
