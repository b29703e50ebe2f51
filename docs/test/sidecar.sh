# shellcheck shell=bash disable=SC2154,SC2317 # the variables are those of test.sh; check calls the functions
# What the sidecar's guide promises beyond what it shows, tried with nginx and with HAProxy. Sourced by test.sh, after the guide
# has put everything in place.

sidecar_checks() {
    local kind
    for kind in nginx haproxy; do
        say "the sidecar by $kind"
        if has systemd-analyze; then
            cp "docs/sidecar/$kind.service" "$work/run/gembok-sidecar-$kind.service"
            check 'its unit is one that systemd takes' systemd-analyze verify "$work/run/gembok-sidecar-$kind.service"
        fi
        sudo systemctl stop gembok-sidecar
        as_root install -m 644 "$work/sidecar/$kind.service" "$work/units/gembok-sidecar.service"
        as_root truncate --size 0 "$work/units/gembok-sidecar.log"
        configure ''
        check 'the web server cannot read the private key' fails sudo -u www-data cat "$work/etc/gembok-sidecar/client.pem.key"
        check 'nothing but the data plane is passed on' only_the_data_plane
        check "Gembok's refusals come as they are" refusals_pass
        check 'a batch of nearly 1 MiB goes through, and leaves no file' large_batch
        check 'the library works by TLS 1.2 alone' library_by_tls12
        check 'a Gembok that was started again is found again' gembok_again
        check 'a Gembok with a certificate of another CA gets nothing' impostor 's|gembok-sidecar/ca.pem|gembok-sidecar/other.pem|'
        check 'a Gembok of another name gets nothing' \
            impostor 's|proxy_ssl_name localhost|proxy_ssl_name other.lan|; s|str(localhost)|str(other.lan)|'
        check 'a request that Gembok may have had is not sent again' not_sent_again
        check 'the diagnosis works by it, and says when it is down' diagnosis
        check 'its log has neither API key nor data' fails grep -e gbk_ -e QnVkaQ -e Authorization "$work/units/gembok-sidecar.log"
    done
}

fails() { ! "$@" >/dev/null 2>&1; }

through() { sudo curl --silent --show-error --unix-socket "$work/run/gembok-sidecar/gembok.sock" "$@"; }

authorized() { through --header "@$work/header" "$@"; }

only_the_data_plane() {
    local path
    for path in / /metrics /health/state /v1/statistics /v1/endpoints/absensi /v1/endpoints/a/b/encrypt \
        '/v1/endpoints/absensi/../../../metrics' /cryptAPI/; do
        [[ $(through --path-as-is "http://localhost$path" --write-out ' %{http_code}') == *'"no-such-route"'*' 404' ]] || return 1
    done
    [[ $(through http://localhost/v1/info) == *'"name":"gembok"'* && $(through http://localhost/problems/locked) == *'"locked"'* ]]
}

refusals_pass() {
    local answer item='{"object":"karyawan","plaintext":"QnVkaQ=="}' address=http://localhost/v1/endpoints/absensi/encrypt
    sed 's/^/Authorization: Bearer /' "$work/gembok/api-key" >"$work/header" && chmod 600 "$work/header"
    [[ $(authorized --json "$item" $address --write-out ' %{http_code}') == *R0IB*' 200' ]] || return 1
    [[ $(through --json "$item" $address --write-out ' %{http_code}') == *'"api-key-missing"'*' 401' ]] || return 1
    gembok lock >/dev/null
    answer=$(authorized --include --json "$item" $address)
    gembok unlock >/dev/null
    [[ $answer == *' 503 '*'"locked"'* && ${answer,,} == *'retry-after: '* ]]
}

large_batch() {
    python3 -c "import json; print(json.dumps({'items': [{'object': 'karyawan', 'plaintext': 'QUJD' * 225}] * 1000}))" \
        >"$work/large.json"
    local bytes
    bytes=$(stat -c %s "$work/large.json")
    ((bytes > 900000 && bytes < 1048576)) || return 1
    authorized --header 'Content-Type: application/json' --data "@$work/large.json" --output "$work/answer.json" \
        http://localhost/v1/endpoints/absensi/encrypt || return 1
    [[ $(grep -o R0IB "$work/answer.json" | wc -l) -ge 1000 ]] || return 1
    [[ $(as_root find "$work/run/gembok-sidecar" -type f ! -name '*.pid' | wc -l) == 0 ]] || return 1
    fails grep 'temporary file' "$work/units/gembok-sidecar.log"
}

# The library, where nothing newer than TLS 1.2 is spoken: the sidecar's door in the state that an old OpenSSL would find it in.
library_by_tls12() {
    configure 's|ssl_protocols TLSv1.2 TLSv1.3|ssl_protocols TLSv1.2|; s|ssl-min-ver TLSv1.2|& ssl-max-ver TLSv1.2|'
    local door=(sudo curl --silent --cacert "$work/etc/absensi/sidecar.pem" "https://127.0.0.1:$tls_port/v1/info")
    [[ $("${door[@]}" --tls-max 1.2) == *'"gembok"'* ]] && fails "${door[@]}" --tlsv1.3 || return 1
    sed -e "s|'url' => .*|'url' => 'https://127.0.0.1:$tls_port', 'ca' => '$work/etc/absensi/sidecar.pem',|" -e "/'socket'/d" \
        "$work/desk/coba.php" >"$work/desk/coba-tls12.php"
    [[ $(sudo -u www-data php "$work/desk/coba-tls12.php") == Budi ]]
}

# The connections that were kept are dead now; the first call must not notice.
gembok_again() {
    kill -TERM "${started[-1]}" && wait "${started[-1]}"
    unset 'started[-1]'
    [[ $(through http://localhost/v1/info) == *'"unreachable"'* ]] || return 1
    gembok_start again
    [[ $(sudo -u www-data php "$work/desk/coba.php") == Budi ]]
}

# impostor EDIT: the same sidecar, told to trust another CA or to expect another name, must not send what it is given; told the
# truth again, it does.
impostor() {
    local item='{"object":"karyawan","plaintext":"QnVkaQ=="}' address=http://localhost/v1/endpoints/absensi/encrypt
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=other -keyout /dev/null \
        -out "$work/other.pem" 2>/dev/null
    as_root install -m 444 "$work/other.pem" "$work/etc/gembok-sidecar/"
    configure "$1"
    [[ $(authorized --json "$item" "$address") == *'"unreachable"'* ]] || return 1
    configure ''
    [[ $(authorized --json "$item" "$address") == *R0IB* ]]
}

# A kept connection that dies with a request on it: the worst case, where proxies like to send again what they have.
not_sent_again() {
    local dying answer
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=dies -addext subjectAltName=DNS:localhost \
        -keyout "$work/dies.key" -out "$work/dies.pem" 2>/dev/null
    as_root install -m 444 "$work/dies.pem" "$work/etc/gembok-sidecar/"
    : >"$work/dies.count"
    "$tests/dies.py" "$dying_port" "$work/dies.pem" "$work/dies.key" "$work/dies.count" &
    dying=$!
    started+=("$dying")
    configure "s|gembok-sidecar/ca.pem|gembok-sidecar/dies.pem|; s|127.0.0.1:$data_port|127.0.0.1:$dying_port|"
    wait_until 'the dying server listens' "$work/dies.count" is_open "$dying_port"
    answer="$(through --data '{}' http://localhost/v1/endpoints/absensi/encrypt) $(through --data '{}' http://localhost/v1/endpoints/absensi/encrypt)"
    kill "$dying" && wait "$dying"
    unset 'started[-1]'
    configure ''
    [[ $answer == '{} '*'"unreachable"'* && $(<"$work/dies.count") == 2 ]]
}

# shellcheck disable=SC2016 # sed writes PHP
diagnosis() {
    sed 's|^echo .*|$diagnosis = $gembok->diagnose(); echo $diagnosis; exit($diagnosis->isHealthy() ? 0 : 1);|' "$work/desk/coba.php" \
        >"$work/desk/diagnosis.php"
    [[ $(sudo -u www-data php "$work/desk/diagnosis.php") == *'ok       object karyawan'* ]] || return 1
    sudo systemctl stop gembok-sidecar
    [[ $(sudo -u www-data php "$work/desk/diagnosis.php") == *'problem  network'* ]] || return 1
    [[ $(sudo -u www-data php -d display_errors=1 "$work/desk/coba.php" 2>&1) == *'(unreachable)'* ]] || return 1
    configure ''
}

# configure EDIT: the files as the guide has them, edited by sed, and the sidecar started anew.
configure() {
    as_root install -m 644 "$work"/sidecar/{nginx.conf,haproxy.cfg} "$work/etc/gembok-sidecar/"
    as_root sed -i "$1" "$work"/etc/gembok-sidecar/{nginx.conf,haproxy.cfg}
    sudo systemctl restart gembok-sidecar
}
