"""Measuring a user's own model: `inflor-bench measure TARGET`.

The command prepares the inputs (`inputs`) and hands them, with the request, to a process of its own (`launch`), where
the user's directory comes first on the path (`process`).
"""
