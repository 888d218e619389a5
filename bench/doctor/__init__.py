"""`inflor-bench doctor`: what can be measured on this machine, why not the rest, and what to change.

What needs no torch is looked at and shown at once (`checks`); torch and the data sets are asked meanwhile in a process
of their own (`probe`), so that neither a slow nor a broken installation is in the way.
"""
