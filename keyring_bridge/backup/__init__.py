"""Backups: one sealed bundle of everything that is not a key, and of keys as far as their tokens give them out."""
