"""Moving keys from where they are into a provider: sources, plan, journal, run, report, verify, retire, undo.

A migration never makes anything worse: the source is only read until somebody retires it, every step can be repeated,
and a key that is in the token already is found there by its public key, never imported twice.
"""
