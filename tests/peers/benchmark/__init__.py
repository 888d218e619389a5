"""Ours against other packages, on the same networks: what counting costs and finds, and how fast networks run.

`python -m tests.peers.benchmark` is the command, `tox run -e peers` its environment. Every contestant has a process of
its own, so that none disturbs another, and their rounds are interleaved (A B A B), so that the machine's moods meet all
of them.
"""
