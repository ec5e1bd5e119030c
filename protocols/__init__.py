"""What runs on the emulated network: routing daemons and schemes, probes, offload.

One protocol a file. Each is found by entry point (groups ``lasermesh.routing`` and
``lasermesh.workload``), so that a user adds one without editing this package, and reaches the
kernel only through the node handles that it is given.
"""
