"""Speed and search benchmarks: each prints a table and writes JSON."""
