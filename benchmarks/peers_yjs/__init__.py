"""The same load on peers that keep documents in memory; they are installed apart, and only when asked for."""
