"""Long runs: each script writes a result that the book shows."""
