-- Which rows of an old table have become which trees, so that importing them again makes none twice.

CREATE TABLE legacy_rows (
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants,
    source text COLLATE "C" NOT NULL,
    row_id text COLLATE "C" NOT NULL,
    content text NOT NULL,
    tree_id bigint,
    taken_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, source, row_id),
    FOREIGN KEY (tenant_id, tree_id) REFERENCES impact_trees ON DELETE SET NULL (tree_id)
);

CREATE INDEX legacy_rows_of_tree ON legacy_rows (tenant_id, tree_id);

ALTER TABLE legacy_rows ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY one_tenant ON legacy_rows
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), ''))
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), ''));

GRANT SELECT, INSERT, UPDATE ON legacy_rows TO treesync_app;
