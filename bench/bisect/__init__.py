"""`inflor-bench bisect`: finds the commit that changed a count or the accuracy of a cell."""
