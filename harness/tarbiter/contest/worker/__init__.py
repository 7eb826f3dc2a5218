"""Inside the cell: the supervisor, the worker, and how each kind of contestant is run."""
