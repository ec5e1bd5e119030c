"""Delay-tolerant networking: bundles (RFC 9171), how they are carried and by which contacts."""
