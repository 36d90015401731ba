-- Versions say who edited since the one before, and stay within reach when their tree gets another epoch.

ALTER TABLE tree_versions ADD COLUMN authors text[] NOT NULL DEFAULT '{}';

-- a tree whose database was restored gets a new epoch, and with it the versions of what its log still holds
GRANT UPDATE (epoch) ON tree_versions TO treesync_app;
