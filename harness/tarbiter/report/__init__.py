"""Pages for people and files for machines."""
