-- Activity is kept for a number of months; what is older goes a month at a time, by its partition.

-- Drops the oldest partition of user_activities, if its month lies more than `kept` months before that of `moment`, and
-- answers its name. Dropping waits for everyone who uses the table, and everyone who comes meanwhile waits behind it: so
-- it gives up after 200 ms (the caller asks again), and drops one at a time. SECURITY DEFINER as the one that makes them.
CREATE FUNCTION drop_activity_partition(moment timestamptz, kept integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '200ms'
AS $$
DECLARE
    oldest text := 'user_activities_' || to_char(
        date_trunc('month', moment AT TIME ZONE 'UTC') - make_interval(months => GREATEST(kept, 1)), 'YYYY_MM');
    partition text;
BEGIN
    PERFORM pg_advisory_xact_lock(20261121);
    SELECT c.relname INTO partition
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.user_activities'::regclass AND c.relname ~ '^user_activities_\d{4}_\d\d$'
        AND c.relname::text COLLATE "C" < oldest
    ORDER BY c.relname::text COLLATE "C" LIMIT 1;
    IF partition IS NOT NULL THEN
        EXECUTE format('DROP TABLE public.%I', partition);
    END IF;
    RETURN partition;
END
$$;

-- Removes rows of such months from the default partition, `most` of them, and answers how many there were.
CREATE FUNCTION remove_old_activity(moment timestamptz, kept integer, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '200ms'
AS $$
DECLARE
    oldest timestamptz := (date_trunc('month', moment AT TIME ZONE 'UTC')
        - make_interval(months => GREATEST(kept, 1))) AT TIME ZONE 'UTC';
    removed bigint;
BEGIN
    -- the owner is bound by the forced policies too, and removes rows of all tenants
    ALTER TABLE public.user_activities_default NO FORCE ROW LEVEL SECURITY;
    DELETE FROM public.user_activities_default WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM public.user_activities_default WHERE created_at < oldest LIMIT most));
    GET DIAGNOSTICS removed = ROW_COUNT;
    ALTER TABLE public.user_activities_default FORCE ROW LEVEL SECURITY;
    RETURN removed;
END
$$;

REVOKE ALL ON FUNCTION drop_activity_partition, remove_old_activity FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_activity_partition, remove_old_activity TO treesync_app;
