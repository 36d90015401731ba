-- Templates that tenants change, the words that trees have in common, and the claims of AI workers on trees.

CREATE TABLE node_templates (
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants,
    node_type text NOT NULL CHECK (
        node_type IN ('objective', 'outcome', 'opportunity', 'solution', 'assumption', 'metric', 'research')),
    meaning text NOT NULL DEFAULT '',
    fields jsonb NOT NULL,
    version integer NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, node_type)
);

CREATE TABLE tree_terms (
    tenant_id text COLLATE "C" NOT NULL,
    tree_id bigint NOT NULL,
    term text COLLATE "C" NOT NULL,
    node_count integer NOT NULL,
    nodes text[] COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, tree_id, term),
    FOREIGN KEY (tenant_id, tree_id) REFERENCES impact_trees ON DELETE CASCADE
);

CREATE INDEX tree_terms_of_term ON tree_terms (tenant_id, term, tree_id);

ALTER TABLE tenants ADD COLUMN templates_version integer NOT NULL DEFAULT 0;

ALTER TABLE impact_trees
    ADD COLUMN projected_with text,
    ADD COLUMN claimed_by text,
    ADD COLUMN claimed_until timestamptz;

CREATE INDEX impact_trees_never_processed ON impact_trees (tenant_id, updated_hour, id)
    WHERE deleted_at IS NULL AND last_ai_processed_at IS NULL;

DO $$
DECLARE
    protected text;
BEGIN
    FOREACH protected IN ARRAY ARRAY['node_templates', 'tree_terms'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', protected);
        EXECUTE format(
            'CREATE POLICY one_tenant ON %I'
            ' USING (tenant_id = NULLIF(current_setting(''app.tenant'', true), ''''))'
            ' WITH CHECK (tenant_id = NULLIF(current_setting(''app.tenant'', true), ''''))',
            protected);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE, DELETE ON node_templates, tree_terms TO treesync_app;
