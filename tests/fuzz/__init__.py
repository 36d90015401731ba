"""Bytes that nobody in his right mind would send, by the hundred thousand."""
