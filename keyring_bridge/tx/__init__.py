"""Transactions as files: reading and writing them, signing, combining and checking their signatures.

What ``hsm tx`` does, without its command line. The files are those of the chain's own commands: ``--generate-only``
writes what is read here, and ``tx broadcast`` takes what is written here.
"""
