# shellcheck shell=bash disable=SC2034,SC2154,SC2119,SC2120 # the parts share variables, and arguments may be absent
# A MariaDB of this example's own: its own data directory, socket and port. The system's service is not touched. Sourced.
# Uses $dir, $db_address, $db_port; the array on_database is what its commands run under (ip netns exec …), or empty.

on_database=()
database=

database_start() {
  local user
  user=$(id -un)
  if [[ ! -d $dir/mariadb/mysql ]]; then
    mkdir -p -- "$dir/mariadb"
    # Its administrator is whoever runs this, known by the socket; there is no password to lose.
    mariadb-install-db --no-defaults --user="$user" --datadir="$dir/mariadb" --skip-test-db \
      --auth-root-authentication-method=socket --auth-root-socket-user="$user" >"$dir/log/mariadb-install" 2>&1 ||
      stop "mariadb-install-db failed:" "$(tail -n 8 "$dir/log/mariadb-install")"
  fi
  "${on_database[@]}" mariadbd --no-defaults --user="$user" --datadir="$dir/mariadb" --socket="$dir/mariadb.sock" \
    --bind-address="$db_address" --port="$db_port" --pid-file="$dir/mariadb.pid" --skip-name-resolve \
    --innodb-buffer-pool-size=32M --performance-schema=off >"$dir/log/mariadb" 2>&1 &
  database=$!
  wait_until "the database answers" "$database" "$dir/log/mariadb" sql 'SELECT 1'
  [[ -e $dir/etc/database-password ]] || database_create
}

database_stop() {
  end_process "$database"
  database=
}

# The application's account may read and write rows, and change no table.
database_create() {
  local password
  password=$(new_secret)
  sql "CREATE DATABASE absensi CHARACTER SET utf8mb4"
  sql_file absensi "$example/application/schema.sql"
  # By a pipe: a command line is for everybody to read.
  printf "CREATE USER absensi@'%%' IDENTIFIED BY '%s'; GRANT SELECT, INSERT, UPDATE, DELETE ON absensi.* TO absensi@'%%';" "$password" |
    mariadb --no-defaults --socket="$dir/mariadb.sock"
  (umask 077 && printf '%s\n' "$password" >"$dir/etc/database-password")
}

# sql STATEMENT: as the database's administrator, over its socket; rows by line, columns by tab.
sql() { mariadb --no-defaults --socket="$dir/mariadb.sock" --batch --skip-column-names --raw --execute "$1"; }
sql_file() { mariadb --no-defaults --socket="$dir/mariadb.sock" "$1" <"$2"; }
database_dump() { mariadb-dump --no-defaults --socket="$dir/mariadb.sock" --all-databases; }
