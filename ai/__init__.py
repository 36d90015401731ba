"""Advice on a plan: by a model where one is configured, by rules where none is or it gives no answer."""
