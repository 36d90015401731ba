"""The Python client of treesync. Imports `sync` only."""
