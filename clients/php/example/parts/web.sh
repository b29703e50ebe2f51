# shellcheck shell=bash disable=SC2034,SC2154,SC2119,SC2120 # the parts share variables, and arguments may be absent
# The application under PHP's built-in server, with what it needs to know in its environment. Sourced.
# Uses $dir, $web_address, $web_port, $db_address, $db_port, $gembok_url; on_web as on_database.

on_web=()
web=

web_start() {
  if [[ ! -e $dir/etc/admin-hash ]]; then
    local password
    password=$(new_secret)
    (
      umask 077
      printf '%s\n' "$password" >"$dir/admin-password"
      printf '%s' "$password" | php -r 'echo password_hash(stream_get_contents(STDIN), PASSWORD_DEFAULT), "\n";' >"$dir/etc/admin-hash"
    )
  fi
  "${on_web[@]}" env ABSENSI_SESSIONS="$dir/sessions" ABSENSI_HTTPS=0 ABSENSI_ADMIN_HASH_FILE="$dir/etc/admin-hash" \
    ABSENSI_DB_HOST="$db_address" ABSENSI_DB_PORT="$db_port" ABSENSI_DB_PASSWORD_FILE="$dir/etc/database-password" \
    GEMBOK_URL="$gembok_url" GEMBOK_API_KEY_FILE="$dir/etc/gembok.key" \
    GEMBOK_CA="$dir/etc/ca.pem" GEMBOK_CERT="$dir/etc/client.pem" GEMBOK_KEY="$dir/etc/client.key" \
    php -d error_log="$dir/log/php" -S "$web_address:$web_port" -t "$example/public" "$example/public/index.php" >"$dir/log/web" 2>&1 &
  web=$!
  wait_until "the application answers" "$web" "$dir/log/web" \
    "${on_web[@]}" curl --silent --fail --max-time 5 --output /dev/null "http://$web_address:$web_port/"
}

web_stop() {
  end_process "$web"
  web=
}
