"""Measured speed: `python -m benchmarks` says what each thing took, beside what was asked of it."""
