-- Versions: of which kind, how large, and thinned where there are many: a thinned one keeps its number and its line, and
-- gives up its snapshot, which the log still tells.

ALTER TABLE tree_versions
    ALTER COLUMN tree_snapshot DROP NOT NULL,
    ADD COLUMN kind text NOT NULL DEFAULT 'automatic' CHECK (kind IN ('automatic', 'named', 'before_delete')),
    ADD COLUMN node_count integer NOT NULL DEFAULT 0,
    ADD COLUMN thinned_at timestamptz;

UPDATE tree_versions SET kind = 'named' WHERE name <> '';

CREATE INDEX tree_versions_listed ON tree_versions (tenant_id, tree_id, version_number) WHERE thinned_at IS NULL;
CREATE INDEX tree_versions_whole ON tree_versions (tenant_id, tree_id, epoch, seq) WHERE thinned_at IS NULL;

-- no more than this: what a version is of cannot be rewritten by the server
GRANT UPDATE (name, change_description, user_id, kind, tree_snapshot, thinned_at) ON tree_versions TO treesync_app;
