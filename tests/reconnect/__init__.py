"""Thousands of clients that lose their server at once, and come back."""
