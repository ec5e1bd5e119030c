"""The only code that touches the kernel: namespaces, fabric, netem, processes, user-mode kernel.

Everything above hands it integers (``emulator.linkplan.PORT_STATE``) and gets the same back.
"""
