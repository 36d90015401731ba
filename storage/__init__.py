"""What survives: PostgreSQL, Redis, and the in-memory implementation of every port. Imports `sync` only."""
