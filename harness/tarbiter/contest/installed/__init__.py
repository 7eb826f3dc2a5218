"""Which contestants there are: their tables, their versions, and how they are installed."""
