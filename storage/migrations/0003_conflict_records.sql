-- Conflict records in full: what kind they are, all the ops that wait, whom they concern, and how they were closed.

ALTER TABLE conflicts
    ADD COLUMN kind text NOT NULL DEFAULT 'aside',
    ADD COLUMN ops jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN parties text[] COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN seqs bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN commit bigint NOT NULL DEFAULT 0,
    ADD COLUMN closed_choice text NOT NULL DEFAULT '',
    ADD COLUMN closed_by text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN closed_seq bigint NOT NULL DEFAULT 0;

-- Whom an open record concerns, so that one person's open records are found over all trees: rows go when it is closed.
-- It refers to the tree alone: commit_conflicts writes both, and what it writes need not be looked up again.
CREATE TABLE conflict_parties (
    tenant_id text COLLATE "C" NOT NULL,
    tree_id bigint NOT NULL,
    conflict_id bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, tree_id, conflict_id, user_id),
    FOREIGN KEY (tenant_id, tree_id) REFERENCES impact_trees ON DELETE CASCADE
);

CREATE INDEX conflict_parties_of_user ON conflict_parties (tenant_id, user_id, opened_at, tree_id, conflict_id);
CREATE INDEX conflicts_open ON conflicts (tenant_id, tree_id, id) WHERE closed_at IS NULL;
CREATE INDEX conflicts_of_commit ON conflicts (tenant_id, tree_id, commit);

-- records there are already: of all tenants, which only a policy that is not forced lets the owner see
ALTER TABLE conflicts NO FORCE ROW LEVEL SECURITY;
UPDATE conflicts AS c SET
    ops = jsonb_build_array(c.op),
    parties = ARRAY(
        SELECT c.user_id UNION SELECT p.value->>'by' FROM jsonb_each(c.paths) AS p WHERE p.value->>'by' <> '' ORDER BY 1);
INSERT INTO conflict_parties (tenant_id, tree_id, conflict_id, user_id, opened_at)
SELECT tenant_id, tree_id, id, unnest(parties), created_at FROM conflicts WHERE closed_at IS NULL;
ALTER TABLE conflicts FORCE ROW LEVEL SECURITY;
ALTER TABLE conflicts DROP COLUMN op;

ALTER TABLE conflict_parties ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON conflict_parties
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), ''))
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), ''));
GRANT SELECT, INSERT, DELETE ON conflict_parties TO treesync_app;

-- Writes conflict records of one tree, new and changed ones; `number` is that of the commit. Who is concerned by an
-- open one stands in conflict_parties, of a closed one nobody.
CREATE FUNCTION commit_conflicts(tenant text, tree bigint, moment timestamptz, number bigint, records jsonb) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    INSERT INTO conflicts AS t (tenant_id, tree_id, id, kind, node_id, connection_id, user_id, client_id, n, base, code,
        ops, paths, parties, seqs, commit, created_at, updated_at, closed_at, closed_choice, closed_by, closed_seq)
    SELECT tenant, tree, r.id, r.kind, r.node, r.connection, r."user", r.client, r.n, r.base, r.code, r.ops, r.paths,
        r.parties, r.seqs, number, moment, moment,
        CASE WHEN r.closed IS NOT NULL THEN moment END, COALESCE(r.closed->>'choice', ''),
        COALESCE(r.closed->>'by', ''), COALESCE((r.closed->>'seq')::bigint, 0)
    FROM jsonb_to_recordset(records) AS r (
        id bigint, kind text, node text, connection text, "user" text, client text, n bigint, base bigint, code text,
        ops jsonb, paths jsonb, parties text[], seqs bigint[], closed jsonb)
    ON CONFLICT (tenant_id, tree_id, id) DO UPDATE SET
        kind = excluded.kind, node_id = excluded.node_id, connection_id = excluded.connection_id,
        user_id = excluded.user_id, client_id = excluded.client_id, n = excluded.n, base = excluded.base,
        code = excluded.code, ops = excluded.ops, paths = excluded.paths, parties = excluded.parties,
        seqs = excluded.seqs, commit = excluded.commit, updated_at = excluded.updated_at,
        closed_at = excluded.closed_at, closed_choice = excluded.closed_choice, closed_by = excluded.closed_by,
        closed_seq = excluded.closed_seq;
    DELETE FROM conflict_parties AS p
    WHERE p.tenant_id = tenant AND p.tree_id = tree AND p.conflict_id = ANY (ARRAY(
        SELECT r.id FROM jsonb_to_recordset(records) AS r (id bigint, closed jsonb) WHERE r.closed IS NOT NULL));
    INSERT INTO conflict_parties (tenant_id, tree_id, conflict_id, user_id, opened_at)
    SELECT tenant, tree, r.id, unnest(r.parties), COALESCE(NULLIF(r.at, '')::timestamptz, moment)
    FROM jsonb_to_recordset(records) AS r (id bigint, parties text[], at text, closed jsonb)
    WHERE r.closed IS NULL
    ON CONFLICT DO NOTHING;
END
$$;

-- What few batches have. Called by commit_batches alone, which holds the head and has set the tenant.
CREATE OR REPLACE FUNCTION commit_rest(tenant text, tree bigint, moment timestamptz, rest jsonb) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    IF rest ? 'connections' THEN
        INSERT INTO tree_connections AS t (tenant_id, tree_id, id, from_node, to_node, label, marks, deleted_seq,
            created_at, created_by, updated_at, updated_by)
        SELECT tenant, tree, r.connection->>'id', r.connection->>'from', r.connection->>'to', r.connection->>'label',
            r.marks, r.deleted, moment, r.by, moment, r.by
        FROM jsonb_to_recordset(rest->'connections') AS r (connection jsonb, marks json, deleted bigint, by text)
        ON CONFLICT (tenant_id, tree_id, id) DO UPDATE SET
            from_node = excluded.from_node, to_node = excluded.to_node, label = excluded.label,
            marks = excluded.marks, deleted_seq = excluded.deleted_seq, updated_at = excluded.updated_at,
            updated_by = excluded.updated_by;
    END IF;
    IF rest ? 'results' THEN
        INSERT INTO tree_results (tenant_id, tree_id, user_id, client_id, n, target, status, code, conflict)
        SELECT tenant, tree, r."user", r.client, r.n, r.target, r.status, r.code, r.conflict
        FROM jsonb_to_recordset(rest->'results') AS r (
            "user" text, client text, n bigint, target text, status text, code text, conflict bigint);
    END IF;
    IF rest ? 'conflicts' THEN
        PERFORM commit_conflicts(tenant, tree, moment, (rest->>'commit')::bigint, rest->'conflicts');
    END IF;
    IF rest ? 'details' THEN
        UPDATE impact_trees AS t SET name = d.name, description = d.description, discovery_phase = d.discovery_phase,
            is_template = d.is_template, canvas_state = d.canvas_state
        FROM jsonb_to_record(rest->'details') AS d (
            name text, description text, discovery_phase text, is_template boolean, canvas_state jsonb)
        WHERE t.tenant_id = tenant AND t.id = tree;
    END IF;
    IF rest ? 'detail_marks' THEN
        UPDATE impact_trees AS t SET marks = (rest->'detail_marks')::json WHERE t.tenant_id = tenant AND t.id = tree;
    END IF;
END
$$;
