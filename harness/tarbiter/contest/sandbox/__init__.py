"""The sandbox: what confines contestants, what is placed and watched in it, and what tries to break out of it."""
