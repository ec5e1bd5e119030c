"""Protocols to copy: each is one file, and README.md beside this folder runs it."""
