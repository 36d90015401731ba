"""Random attempts to reach what is another tenant's."""
