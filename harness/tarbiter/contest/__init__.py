"""Running contestants: the sandbox, what is seen in it, and who takes part."""
