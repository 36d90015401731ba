-- Which trees search has still to look at, whenever they were edited; and by which rules it was level at searched_at.

ALTER TABLE tenants ADD COLUMN searched_with text NOT NULL DEFAULT '';

CREATE INDEX search_trees_unknown ON search_trees (tenant_id, tree_id) WHERE seq < 0;
