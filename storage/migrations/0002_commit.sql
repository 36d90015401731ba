-- The functions: the commit of many trees in one statement, the heads of many trees in one query, partitions ahead.

-- Commits many batches, each by compare-and-set on its own head: written whole, or not at all (times[b] is then null).
-- A head that someone else holds is skipped, never waited for. Batches come sorted by tenant and tree, so that all
-- instances take heads in one order. Runs as its caller, under row-level security: the tenant is set for each run of
-- batches of one tenant, and put back at the end.
--
-- Everything is columns: an array per column, one element per row, since building and reading those costs both sides
-- least. Batch b is the b-th element of the first arrays, `*_batches` say which batch a row is of, and ends[4b-3 .. 4b]
-- are the numbers of the last op, node, counter and rest row of batch b. What few batches have (connections, results,
-- conflicts, the tree's own fields) comes as one JSON document per batch in `rest`. Upserts stand where updates would
-- do, because the arbiter index leaves the planner no choice, whatever the statistics say.
CREATE FUNCTION commit_batches(
    tenants text[], trees bigint[], epochs text[], commits bigint[], seqs bigint[], marks text[], node_counts integer[],
    conflict_tops bigint[], ends integer[],
    op_batches integer[], op_authors integer[], op_numbers bigint[], op_effects text[], op_inverses text[],
    op_modes text[], op_activities text[], op_nodes text[], op_fields text[],
    author_users text[], author_clients text[], author_vias text[], author_visits text[], author_addresses text[],
    author_agents text[],
    node_batches integer[], node_ids text[], node_parents text[], node_orders text[], node_types text[],
    node_titles text[], node_descriptions text[], node_positions text[], node_collapsed boolean[],
    node_templates text[], node_metadata text[], node_seqs bigint[], node_marks text[], node_deleted bigint[],
    node_authors text[],
    counter_batches integer[], counter_users text[], counter_clients text[], counter_numbers bigint[],
    rest_batches integer[], rest text[],
    OUT times timestamptz[], OUT versions bigint[]
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_variable
DECLARE
    before text := COALESCE(current_setting('app.tenant', true), '');
    size integer := cardinality(trees);
    first integer := 1;
    last integer;
    tenant text;
    head record;
    first_op integer := 1;
    first_node integer := 1;
    first_counter integer := 1;
    first_rest integer := 1;
BEGIN
    times := array_fill(NULL::timestamptz, ARRAY[size]);
    versions := array_fill(NULL::bigint, ARRAY[size]);
    WHILE first <= size LOOP
        tenant := tenants[first];
        last := first;
        WHILE last < size AND tenants[last + 1] = tenant LOOP
            last := last + 1;
        END LOOP;
        PERFORM set_config('app.tenant', tenant, true);

        -- the locks, in the order of the trees; the time never goes back along a tree's log
        FOR head IN
            SELECT b, GREATEST(clock_timestamp(), h.at) AS at, h.rights
            FROM generate_series(first, last) AS b
            CROSS JOIN LATERAL (
                SELECT * FROM tree_heads AS t WHERE t.tenant_id = tenant AND t.tree_id = trees[b] FOR UPDATE SKIP LOCKED
            ) AS h
            WHERE h.epoch = epochs[b] AND h.commit = commits[b] AND h.seq = seqs[b]
        LOOP
            times[head.b] := head.at;
            versions[head.b] := head.rights;
        END LOOP;

        WITH logged AS MATERIALIZED (
            SELECT op_batches[i] AS b, op_authors[i] AS a, i,
                seqs[op_batches[i]] + i - COALESCE(ends[4 * op_batches[i] - 7], 0) AS seq
            FROM generate_series(first_op, ends[4 * last - 3]) AS i
            WHERE times[op_batches[i]] IS NOT NULL
        ), ops AS (
            INSERT INTO tree_ops (tenant_id, tree_id, seq, commit, user_id, client_id, n, mark, at, op, inverse, mode,
                via)
            SELECT tenant, trees[b], seq, commits[b] + 1, author_users[a], author_clients[a], op_numbers[i], marks[b],
                times[b], op_effects[i]::json, op_inverses[i]::json, op_modes[i], author_vias[a]
            FROM logged
        )
        INSERT INTO user_activities (tenant_id, user_id, created_at, tree_id, node_id, activity_type, activity_data,
            session_id, ip_address, user_agent)
        SELECT tenant, author_users[a], times[b], trees[b], op_nodes[i], op_activities[i],
            jsonb_build_object('seq', seq, 'mode', op_modes[i], 'fields', op_fields[i]::jsonb),
            NULLIF(author_visits[a], ''), NULLIF(author_addresses[a], ''), NULLIF(author_agents[a], '')
        FROM logged
        WHERE op_activities[i] <> '';

        INSERT INTO tree_nodes AS t (tenant_id, tree_id, id, parent_id, order_key, node_type, title, description,
            position, is_collapsed, template_data, metadata, seq, marks, deleted_seq, created_at, created_by,
            updated_at, updated_by)
        SELECT tenant, trees[node_batches[i]], node_ids[i], node_parents[i], node_orders[i], node_types[i],
            node_titles[i], node_descriptions[i], node_positions[i]::jsonb, node_collapsed[i],
            node_templates[i]::jsonb, node_metadata[i]::jsonb, node_seqs[i], node_marks[i]::json, node_deleted[i],
            times[node_batches[i]], node_authors[i], times[node_batches[i]], node_authors[i]
        FROM generate_series(first_node, ends[4 * last - 2]) AS i
        WHERE times[node_batches[i]] IS NOT NULL
        ON CONFLICT (tenant_id, tree_id, id) DO UPDATE SET
            parent_id = excluded.parent_id, order_key = excluded.order_key, node_type = excluded.node_type,
            title = excluded.title, description = excluded.description, position = excluded.position,
            is_collapsed = excluded.is_collapsed, template_data = excluded.template_data,
            metadata = excluded.metadata, seq = excluded.seq, marks = excluded.marks,
            deleted_seq = excluded.deleted_seq, updated_at = excluded.updated_at, updated_by = excluded.updated_by;

        INSERT INTO tree_clients AS t (tenant_id, tree_id, user_id, client_id, last_n, commit, at)
        SELECT tenant, trees[counter_batches[i]], counter_users[i], counter_clients[i], counter_numbers[i],
            commits[counter_batches[i]] + 1, times[counter_batches[i]]
        FROM generate_series(first_counter, ends[4 * last - 1]) AS i
        WHERE times[counter_batches[i]] IS NOT NULL
        ON CONFLICT (tenant_id, tree_id, user_id, client_id) DO UPDATE SET
            last_n = excluded.last_n, commit = excluded.commit, at = excluded.at;

        FOR i IN first_rest .. ends[4 * last] LOOP
            IF times[rest_batches[i]] IS NOT NULL THEN
                PERFORM commit_rest(tenant, trees[rest_batches[i]], times[rest_batches[i]], rest[i]::jsonb);
            END IF;
        END LOOP;

        -- the empty texts are never stored: the row exists, or its head would not
        INSERT INTO impact_trees AS t (tenant_id, id, user_id, name, node_count, updated_at, updated_hour)
        SELECT tenant, trees[b], '', '', node_counts[b], times[b], date_trunc('hour', times[b], 'UTC')
        FROM generate_series(first, last) AS b
        WHERE times[b] IS NOT NULL AND ends[4 * b - 3] > COALESCE(ends[4 * b - 7], 0)
        ON CONFLICT (tenant_id, id) DO UPDATE SET
            node_count = excluded.node_count, updated_at = excluded.updated_at, updated_hour = excluded.updated_hour;

        INSERT INTO tree_heads AS h (tenant_id, tree_id, epoch, commit, seq, mark, conflicts, at)
        SELECT tenant, trees[b], epochs[b], commits[b] + 1, seqs[b] + ends[4 * b - 3] - COALESCE(ends[4 * b - 7], 0),
            marks[b], conflict_tops[b], times[b]
        FROM generate_series(first, last) AS b
        WHERE times[b] IS NOT NULL
        ON CONFLICT (tenant_id, tree_id) DO UPDATE SET
            commit = excluded.commit, seq = excluded.seq,
            mark = CASE WHEN excluded.seq > h.seq THEN excluded.mark ELSE h.mark END,
            conflicts = GREATEST(h.conflicts, excluded.conflicts), at = excluded.at;

        first_op := ends[4 * last - 3] + 1;
        first_node := ends[4 * last - 2] + 1;
        first_counter := ends[4 * last - 1] + 1;
        first_rest := ends[4 * last] + 1;
        first := last + 1;
    END LOOP;
    PERFORM set_config('app.tenant', before, true);
END
$$;

-- What few batches have. Called by commit_batches alone, which holds the head and has set the tenant.
CREATE FUNCTION commit_rest(tenant text, tree bigint, moment timestamptz, rest jsonb) RETURNS void
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
        INSERT INTO conflicts AS t (tenant_id, tree_id, id, node_id, connection_id, user_id, client_id, n, base, code,
            op, paths, created_at, updated_at)
        SELECT tenant, tree, r.id, r.node, r.connection, r."user", r.client, r.n, r.base, r.code, r.op, r.paths,
            moment, moment
        FROM jsonb_to_recordset(rest->'conflicts') AS r (
            id bigint, node text, connection text, "user" text, client text, n bigint, base bigint, code text,
            op jsonb, paths jsonb)
        ON CONFLICT (tenant_id, tree_id, id) DO UPDATE SET
            node_id = excluded.node_id, connection_id = excluded.connection_id, user_id = excluded.user_id,
            client_id = excluded.client_id, n = excluded.n, base = excluded.base, code = excluded.code,
            op = excluded.op, paths = excluded.paths, updated_at = excluded.updated_at;
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

-- The heads of many trees of many tenants in one query. It crosses tenants without any right to: one after the other,
-- each under its own setting. Trees come sorted by tenant; counts[i] of them are of tenants[i].
CREATE FUNCTION heads_of(tenants text[], counts integer[], trees bigint[])
RETURNS TABLE (
    tenant_id text, tree_id bigint, epoch text, commit bigint, seq bigint, mark text, rights bigint, conflicts bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    before text := COALESCE(current_setting('app.tenant', true), '');
    passed integer := 0;
BEGIN
    FOR i IN 1 .. cardinality(tenants) LOOP
        PERFORM set_config('app.tenant', tenants[i], true);
        RETURN QUERY
            SELECT h.tenant_id, h.tree_id, h.epoch, h.commit, h.seq, h.mark, h.rights, h.conflicts
            FROM tree_heads AS h
            WHERE h.tenant_id = tenants[i] AND h.tree_id = ANY (trees[passed + 1 : passed + counts[i]]);
        passed := passed + counts[i];
    END LOOP;
    PERFORM set_config('app.tenant', before, true);
END
$$;

-- Makes the monthly partitions of user_activities from the month of `moment` on, `months` of them ahead, and answers
-- how many were missing. Rows of such a month that wait in the default partition move. The one SECURITY DEFINER
-- function: the runtime role owns nothing and so makes no tables; it can only ask for these.
CREATE FUNCTION make_activity_partitions(moment timestamptz, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    starts timestamptz;
    ends timestamptz;
    partition text;
    made integer := 0;
BEGIN
    -- one instance at a time; the number is the day on which this was first written
    PERFORM pg_advisory_xact_lock(20261121);
    FOR i IN 0 .. LEAST(months, 60) LOOP
        starts := (date_trunc('month', moment AT TIME ZONE 'UTC') + make_interval(months => i)) AT TIME ZONE 'UTC';
        ends := (date_trunc('month', moment AT TIME ZONE 'UTC') + make_interval(months => i + 1)) AT TIME ZONE 'UTC';
        partition := 'user_activities_' || to_char(starts AT TIME ZONE 'UTC', 'YYYY_MM');
        CONTINUE WHEN to_regclass('public.' || partition) IS NOT NULL;
        EXECUTE format('CREATE TABLE public.%I (LIKE public.user_activities INCLUDING ALL)', partition);
        -- the owner is bound by the forced policies too, and moves rows of all tenants
        ALTER TABLE public.user_activities_default NO FORCE ROW LEVEL SECURITY;
        EXECUTE format(
            'WITH moved AS (DELETE FROM public.user_activities_default WHERE created_at >= %L AND created_at < %L'
            ' RETURNING *) INSERT INTO public.%I SELECT * FROM moved', starts, ends, partition);
        ALTER TABLE public.user_activities_default FORCE ROW LEVEL SECURITY;
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', partition);
        EXECUTE format(
            'ALTER TABLE public.user_activities ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
            partition, starts, ends);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- Removes what nobody can ask for any more: all but the newest 2,000 results of each client (SEMANTICS 2) and the keys
-- of activity events older than `kept`. For the tenant that is set.
CREATE FUNCTION expire_results(tenant text, kept interval) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    results bigint;
    events bigint;
BEGIN
    DELETE FROM tree_results AS r USING tree_clients AS c
    WHERE r.tenant_id = tenant AND c.tenant_id = tenant AND c.tree_id = r.tree_id AND c.user_id = r.user_id
        AND c.client_id = r.client_id AND r.n <= c.last_n - 2000;
    GET DIAGNOSTICS results = ROW_COUNT;
    DELETE FROM activity_events AS e WHERE e.tenant_id = tenant AND e.logged_at < now() - kept;
    GET DIAGNOSTICS events = ROW_COUNT;
    RETURN results + events;
END
$$;

REVOKE ALL ON FUNCTION make_activity_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_activity_partitions TO treesync_app;
