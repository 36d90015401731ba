-- The words of trees, for search; and lists of templates and of large trees.

CREATE TABLE search_trees (
    tenant_id text COLLATE "C" NOT NULL,
    tree_id bigint NOT NULL,
    epoch text NOT NULL,
    seq bigint NOT NULL,
    made_with text NOT NULL,
    PRIMARY KEY (tenant_id, tree_id),
    FOREIGN KEY (tenant_id, tree_id) REFERENCES impact_trees ON DELETE CASCADE
);

CREATE TABLE search_nodes (
    tenant_id text COLLATE "C" NOT NULL,
    tree_id bigint NOT NULL,
    node_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    node_type text NOT NULL,
    status text NOT NULL,
    terms text NOT NULL,
    PRIMARY KEY (tenant_id, tree_id, node_id),
    FOREIGN KEY (tenant_id, tree_id) REFERENCES search_trees ON DELETE CASCADE
);

CREATE INDEX search_nodes_of_type ON search_nodes (tenant_id, node_type, tree_id);

CREATE TABLE search_terms (
    tenant_id text COLLATE "C" NOT NULL,
    tree_id bigint NOT NULL,
    term text COLLATE "C" NOT NULL,
    weight smallint NOT NULL,
    nodes text[] COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, tree_id, term),
    FOREIGN KEY (tenant_id, tree_id) REFERENCES search_trees ON DELETE CASCADE
);

CREATE INDEX search_terms_of_term ON search_terms (tenant_id, term, weight DESC, tree_id DESC);

ALTER TABLE tenants ADD COLUMN searched_at timestamptz;

-- never written: a text search vector behind a policy is of no use to an index (its operators are not leakproof)
ALTER TABLE impact_trees
    DROP COLUMN search,
    ADD COLUMN is_large boolean NOT NULL GENERATED ALWAYS AS (node_count >= 500) STORED,
    ADD COLUMN completion text NOT NULL GENERATED ALWAYS AS (CASE
        WHEN COALESCE((completion_status->>'total_nodes')::integer, 0) = 0 THEN 'not_started'
        WHEN completion_status->'statuses'->'complete' = completion_status->'total_nodes' THEN 'complete'
        WHEN completion_status->'statuses'->'not_started' = completion_status->'total_nodes' THEN 'not_started'
        ELSE 'in_progress' END) STORED;

CREATE INDEX impact_trees_templates ON impact_trees (tenant_id, updated_hour DESC)
    WHERE deleted_at IS NULL AND is_template;
CREATE INDEX impact_trees_large ON impact_trees (tenant_id, updated_hour DESC) WHERE deleted_at IS NULL AND is_large;
CREATE INDEX impact_trees_of_completion ON impact_trees (tenant_id, completion, updated_hour DESC)
    WHERE deleted_at IS NULL;

DO $$
DECLARE
    protected text;
BEGIN
    FOREACH protected IN ARRAY ARRAY['search_trees', 'search_nodes', 'search_terms'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', protected);
        EXECUTE format(
            'CREATE POLICY one_tenant ON %I'
            ' USING (tenant_id = NULLIF(current_setting(''app.tenant'', true), ''''))'
            ' WITH CHECK (tenant_id = NULLIF(current_setting(''app.tenant'', true), ''''))',
            protected);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE, DELETE ON search_trees, search_nodes, search_terms TO treesync_app;
