-- Out of the trash for good: rows that a purge names go with its commit, and the trash is found by an index of its own.

CREATE INDEX tree_nodes_trash ON tree_nodes (tenant_id, tree_id, deleted_seq, id) WHERE deleted_seq IS NOT NULL;

GRANT DELETE ON tree_nodes, tree_connections TO treesync_app;

-- What few batches have. Called by commit_batches alone, which holds the head and has set the tenant. Rows go for good
-- after those that stay have been written: what was taken out of the trash no longer stands on them.
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
    IF rest ? 'purged_connections' THEN
        DELETE FROM tree_connections AS t
        WHERE t.tenant_id = tenant AND t.tree_id = tree
            AND t.id IN (SELECT jsonb_array_elements_text(rest->'purged_connections'));
    END IF;
    IF rest ? 'purged_nodes' THEN
        DELETE FROM tree_nodes AS t
        WHERE t.tenant_id = tenant AND t.tree_id = tree
            AND t.id IN (SELECT jsonb_array_elements_text(rest->'purged_nodes'));
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
