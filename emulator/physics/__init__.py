"""Formulas: arrays in, arrays out; nothing here knows a scenario."""
