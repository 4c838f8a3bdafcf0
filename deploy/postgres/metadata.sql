-- Run once, when the database is made. The service's role owns its database and nothing else.
-- The administrator has no password: it is reached on the container's own socket alone.
-- No log may quote these statements, whatever happens to them.
SET log_min_error_statement = panic;
SET log_statement = none;
\set password `cat /run/secrets/password`
CREATE ROLE metadata LOGIN PASSWORD :'password';
CREATE DATABASE metadata OWNER metadata;
REVOKE ALL ON DATABASE metadata FROM PUBLIC;
ALTER ROLE postgres PASSWORD NULL;
