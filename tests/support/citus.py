"""A stand-in for Citus: its functions and catalogs in SQL, in a database of plain PostgreSQL.

Citus is in no registry that the tests can use. The functions check their arguments and the tables as Citus 13 documents them,
and fail with its messages. A shard is a table that inherits from the distributed one, so its rows are read with it; new rows go to
the parent, which Citus would keep empty.
"""

import asyncpg

VERSION = "Citus 13.2.0 on x86_64-pc-linux-gnu, compiled by gcc"
_SCRIPT = """
CREATE TABLE pg_dist_partition (logicalrelid regclass PRIMARY KEY, partmethod "char" NOT NULL DEFAULT 'h', partkey text,
    colocationid integer NOT NULL, repmodel "char" NOT NULL DEFAULT 's', autoconverted boolean NOT NULL DEFAULT false);
CREATE TABLE pg_dist_local_group (groupid integer NOT NULL);
INSERT INTO pg_dist_local_group VALUES (0);
CREATE TABLE stand_in_workers (nodename text, nodeport integer, reachable boolean);
CREATE SEQUENCE stand_in_colocation;

CREATE FUNCTION citus_version() RETURNS text LANGUAGE sql AS $$ SELECT '{version}' $$;

CREATE FUNCTION column_to_column_name(table_name regclass, column_var_text text) RETURNS text LANGUAGE sql STRICT
    AS $$ SELECT column_var_text $$;

CREATE FUNCTION run_command_on_workers(command text, parallel boolean DEFAULT true)
    RETURNS TABLE (nodename text, nodeport integer, success boolean, result text) LANGUAGE plpgsql AS $$
DECLARE node record;
BEGIN
    FOR node IN SELECT * FROM stand_in_workers LOOP
        nodename := node.nodename; nodeport := node.nodeport; success := node.reachable;
        result := 'connection to the remote node ' || node.nodename || ':' || node.nodeport || ' failed';
        IF node.reachable THEN EXECUTE command INTO result; END IF;
        RETURN NEXT;
    END LOOP;
END $$;

CREATE FUNCTION stand_in_coordinator() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT groupid FROM pg_dist_local_group) <> 0 THEN
        RAISE EXCEPTION 'operation is not allowed on this node'
            USING HINT = 'Connect to the coordinator and run it again.';
    END IF;
END $$;

CREATE FUNCTION create_distributed_table(table_name regclass, distribution_column text, distribution_type text DEFAULT 'hash',
    colocate_with text DEFAULT 'default', shard_count integer DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    place smallint; kind oid; anchor pg_dist_partition; anchor_kind oid; found integer; shard text;
BEGIN
    PERFORM stand_in_coordinator();
    EXECUTE format('LOCK TABLE %s IN EXCLUSIVE MODE', table_name);
    IF EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = table_name) THEN
        RAISE EXCEPTION 'table "%" is already distributed', table_name USING ERRCODE = 'invalid_table_definition';
    END IF;
    SELECT attnum, atttypid INTO place, kind FROM pg_attribute WHERE attrelid = table_name AND attname = distribution_column;
    IF place IS NULL THEN
        RAISE EXCEPTION 'column "%" of relation "%" does not exist', distribution_column, table_name
            USING ERRCODE = 'undefined_column';
    END IF;
    IF EXISTS (SELECT FROM pg_index WHERE indrelid = table_name AND (indisunique OR indisexclusion)
            AND NOT place = ANY (indkey::smallint[])) THEN
        RAISE EXCEPTION 'cannot create constraint on "%"', table_name USING ERRCODE = 'feature_not_supported',
            DETAIL = 'Distributed relations cannot have UNIQUE, EXCLUDE, or PRIMARY KEY constraints that do not include'
            ' the partition column (with an equality operator if EXCLUDE).';
    END IF;
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = table_name AND NOT tgisinternal) THEN
        RAISE EXCEPTION 'cannot distribute relation "%" because it has triggers', table_name
            USING ERRCODE = 'feature_not_supported', HINT = 'Consider dropping all the triggers on it and retry.';
    END IF;
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = table_name AND attidentity <> '' AND atttypid <> 'bigint'::regtype) THEN
        RAISE EXCEPTION 'cannot complete operation on % with smallint/int identity column', table_name
            USING ERRCODE = 'feature_not_supported', HINT = 'Use bigint identity column instead.';
    END IF;
    IF EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = table_name
            AND confrelid NOT IN (SELECT logicalrelid FROM pg_dist_partition)) THEN
        RAISE EXCEPTION 'cannot create foreign key constraint since relations are not colocated or not referencing a'
            ' reference table' USING ERRCODE = 'feature_not_supported';
    END IF;
    IF colocate_with NOT IN ('default', 'none') THEN
        IF shard_count IS NOT NULL THEN
            RAISE EXCEPTION 'Cannot use colocate_with with a table and shard_count at the same time';
        END IF;
        SELECT * INTO anchor FROM pg_dist_partition WHERE logicalrelid = colocate_with::regclass;
        IF anchor IS NULL THEN
            RAISE EXCEPTION 'relation % is not distributed', colocate_with USING ERRCODE = 'invalid_table_definition';
        END IF;
        SELECT atttypid INTO anchor_kind FROM pg_attribute
            WHERE attrelid = anchor.logicalrelid AND attname = anchor.partkey;
        IF anchor_kind <> kind THEN
            RAISE EXCEPTION 'cannot colocate tables % and %', anchor.logicalrelid, table_name USING DETAIL =
                'Distribution column types don''t match for ' || anchor.logicalrelid || ' and ' || table_name || '.';
        END IF;
        found := anchor.colocationid;
    ELSE
        found := nextval('stand_in_colocation');
    END IF;
    shard := table_name || '_102008';
    EXECUTE format('CREATE TABLE %I (LIKE %s INCLUDING ALL)', shard, table_name);
    EXECUTE format('INSERT INTO %I SELECT * FROM ONLY %s', shard, table_name);
    EXECUTE format('ALTER TABLE %I INHERIT %s', shard, table_name);
    INSERT INTO pg_dist_partition (logicalrelid, partkey, colocationid) VALUES (table_name, distribution_column, found);
END $$;

CREATE FUNCTION truncate_local_data_after_distributing_table(function_name regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM stand_in_coordinator();
    IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = function_name) THEN
        RAISE EXCEPTION 'supplied parameter is not a distributed relation'
            USING DETAIL = 'This UDF only truncates local data of distributed relations.';
    END IF;
    IF EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = function_name
            AND conrelid NOT IN (SELECT logicalrelid FROM pg_dist_partition)) THEN
        RAISE EXCEPTION 'cannot truncate a table referenced in a foreign key constraint by a local table';
    END IF;
    EXECUTE format('TRUNCATE ONLY %s', function_name);
END $$;
"""


async def install(url: str) -> None:
    """Create the stand-in in a database, as CREATE EXTENSION citus would on the coordinator."""
    connection = await asyncpg.connect(url)
    await connection.execute(_SCRIPT.replace("{version}", VERSION))
    await connection.close()


async def execute(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def fetch(url: str, statement: str) -> list[asyncpg.Record]:
    """Return the rows of a statement."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()
