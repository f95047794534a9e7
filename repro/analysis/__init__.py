"""From the table of runs to verdicts, and to what is still to be run. Pure functions: no torch, no files, no clock."""
