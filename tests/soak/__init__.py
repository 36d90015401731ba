"""Hours of ordinary work on a real stack, and whether anything grows that should not."""
