-- Lists by a part of the name, and in the order of creation or of the last change.
--
-- Writes of secure values wait while this runs, about ten seconds per million rows; reads and
-- decrypts do not.

-- What a search finds a name by: the name itself, and what is left of it after each '-' or '.'.
-- It is a function of the name alone. A trigger writes it, so that what an earlier release creates
-- during an upgrade is found as well.
CREATE TABLE secure_value_suffixes (
    namespace text COLLATE "C" NOT NULL,
    suffix text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL
);

CREATE FUNCTION name_suffixes(name text) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT substr(name, p)
    FROM generate_series(1, length(name)) AS p
    WHERE p = 1 OR substr(name, p - 1, 1) IN ('-', '.')
$$;

-- Nobody creates or deletes between the copy and the triggers.
LOCK TABLE secure_values IN SHARE ROW EXCLUSIVE MODE;

INSERT INTO secure_value_suffixes (namespace, suffix, name)
SELECT s.namespace, f.suffix, s.name
FROM secure_values AS s
CROSS JOIN LATERAL name_suffixes(s.name) AS f (suffix);

ALTER TABLE secure_value_suffixes ADD PRIMARY KEY (namespace, suffix, name);

CREATE FUNCTION add_suffixes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO secure_value_suffixes (namespace, suffix, name)
    SELECT NEW.namespace, f.suffix, NEW.name FROM name_suffixes(NEW.name) AS f (suffix);
    RETURN NULL;
END
$$;

CREATE FUNCTION remove_suffixes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM secure_value_suffixes AS s
    USING name_suffixes(OLD.name) AS f (suffix)
    WHERE s.namespace = OLD.namespace AND s.suffix = f.suffix AND s.name = OLD.name;
    RETURN NULL;
END
$$;

CREATE TRIGGER secure_values_add_suffixes AFTER INSERT ON secure_values
FOR EACH ROW EXECUTE FUNCTION add_suffixes();

CREATE TRIGGER secure_values_remove_suffixes AFTER DELETE ON secure_values
FOR EACH ROW EXECUTE FUNCTION remove_suffixes();

CREATE INDEX secure_values_created ON secure_values (namespace, created_at, name);

CREATE INDEX secure_values_updated ON secure_values (namespace, updated_at, name);
