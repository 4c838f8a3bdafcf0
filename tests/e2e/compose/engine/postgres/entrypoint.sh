# Honours what the official image honours and this project uses: POSTGRES_USER,
# POSTGRES_PASSWORD(_FILE), POSTGRES_DB, POSTGRES_INITDB_ARGS, /docker-entrypoint-initdb.d/*.sql.
set -euo pipefail

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
sockets="-c unix_socket_directories=/run/postgresql"

initialise() {
    local password=${POSTGRES_PASSWORD:-}
    [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || password=$(<"$POSTGRES_PASSWORD_FILE")
    if [ -z "$password" ]; then
        echo "POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE is needed" >&2
        exit 1
    fi
    # shellcheck disable=SC2086  # several arguments in one variable, as in the official image
    initdb --username="$user" --pwfile=<(printf '%s\n' "$password") \
        --encoding=UTF8 ${POSTGRES_INITDB_ARGS:-}
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl --wait -o "$sockets -c listen_addresses=''" start
    local psql=(psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$user")
    export PGPASSWORD=$password
    [ "$database" = postgres ] ||
        "${psql[@]}" --dbname postgres -c "CREATE DATABASE \"$database\""
    local script
    for script in /docker-entrypoint-initdb.d/*.sql; do
        [ ! -e "$script" ] || "${psql[@]}" --dbname "$database" --file "$script"
    done
    unset PGPASSWORD
    pg_ctl --wait stop
}

[ -s "$PGDATA/PG_VERSION" ] || initialise
# The official image hands `postgres …` on too; options of the caller come last.
# shellcheck disable=SC2086
exec "$@" $sockets -c listen_addresses='*'
