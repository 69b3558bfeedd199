"""Metrics, laws and checks of data that ship: each file has a tuple ``METRICS``.

The files import nothing heavy, since every reading of a spec imports them; what measures is
named by its place, or imports what it needs when it is called.
"""
