-- The service's role, made once, when the database is: owner of one database, of nothing else.
-- The server's log must not quote the statement, whatever happens to it.
SET log_min_error_statement = panic;
SET log_statement = none;
\set password `cat /run/secrets/metadata_db_password`
CREATE ROLE splitkeep_metadata LOGIN PASSWORD :'password' CONNECTION LIMIT 200;
CREATE DATABASE metadata OWNER splitkeep_metadata;
REVOKE ALL ON DATABASE metadata FROM PUBLIC;
