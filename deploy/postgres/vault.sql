-- The service's role, made once, when the database is: owner of one database, of nothing else.
-- The server's log must not quote the statement, whatever happens to it.
SET log_min_error_statement = panic;
SET log_statement = none;
\set password `cat /run/secrets/vault_db_password`
CREATE ROLE splitkeep_vault LOGIN PASSWORD :'password' CONNECTION LIMIT 200;
CREATE DATABASE vault OWNER splitkeep_vault;
REVOKE ALL ON DATABASE vault FROM PUBLIC;
