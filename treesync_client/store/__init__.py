"""The file in which a client keeps its queue and what it knows of its trees: no end of the process loses any."""
