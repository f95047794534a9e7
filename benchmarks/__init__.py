"""What developers time, from a clone of the project: `python -m benchmarks PART`. No wheel has it."""
