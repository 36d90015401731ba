"""Rows of the table that trees were kept in before they had a log (spec 002: `impact_trees` with nodes as JSON), read
into trees. What is wrong with a row is mended by rules that have names, and told; what no rule mends refuses the row.
"""
