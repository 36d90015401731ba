-- A turn begins in one statement: who commits a tree alone holds up everyone else of that tree meanwhile.

-- Takes the head of a tree until the transaction ends, and answers it; no row where there is no such tree, or it was
-- deleted, also while we waited. Names the tenant of the transaction. Who holds a head keeps others from committing:
-- nobody waits longer than 1 s for it, nor holds it idle for 2 s.
CREATE FUNCTION hold_head(tenant text, tree bigint)
RETURNS TABLE (epoch text, commit bigint, seq bigint, mark text, rights bigint, conflicts bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.tenant', tenant, true), set_config('lock_timeout', '1s', true),
        set_config('idle_in_transaction_session_timeout', '2s', true);
    PERFORM FROM tree_heads AS h WHERE h.tenant_id = tenant AND h.tree_id = tree FOR UPDATE;
    -- a statement of its own, which sees what was committed while the one before waited
    RETURN QUERY
        SELECT h.epoch, h.commit, h.seq, h.mark, h.rights, h.conflicts
        FROM tree_heads AS h JOIN impact_trees AS t ON t.tenant_id = h.tenant_id AND t.id = h.tree_id
        WHERE h.tenant_id = tenant AND h.tree_id = tree AND t.deleted_at IS NULL;
END
$$;
