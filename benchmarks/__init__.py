"""What the library takes beside what people use today, measured side by side: ``python -m benchmarks``."""
