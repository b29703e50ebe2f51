#!/usr/bin/env bash
# Runs every command and every program that the guides in this folder show, against a real Gembok with SoftHSM, a MariaDB of
# its own, PHP, nginx and HAProxy, and compares what they print with what the guides say. Installs what is missing. Ends with
# one line, "N passed, N failed"; fails when anything did.
#
#   docs/test.sh              every guide
#   docs/test.sh GUIDE…       only these, such as: codeigniter3.id.md sidecar.en.md
#
#   GEMBOK_BIN        a gembok that is built already (default: cargo build --release)
#   GEMBOK_DATA_PORT  the sandbox's port on 127.0.0.1; the next is its control plane's, and three more are taken (default: the
#                     first five free ones from 28443 on)
#   CODEIGNITER       a folder with CodeIgniter 3 in it (default: docs/test/codeigniter, which stands for it)
#
# It needs root, or sudo without a password: the guides put files where only the web server's user reads them, and run PHP as
# that user.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
root=$PWD tests=$PWD/docs/test

case ${1:-} in -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit ;; esac

# Below 32768, from where on the kernel gives ports to whoever connects.
data_port=${GEMBOK_DATA_PORT:-28443}
is_open() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
any_open() {
    local port
    for port in "$@"; do if is_open "$port"; then return 0; fi; done
    return 1
}
if [[ -z ${GEMBOK_DATA_PORT:-} ]]; then
    while any_open $((data_port)) $((data_port + 1)) $((data_port + 2)) $((data_port + 3)) $((data_port + 4)); do
        data_port=$((data_port + 5))
    done
fi
control_port=$((data_port + 1)) web_port=$((data_port + 2)) tls_port=$((data_port + 3)) dying_port=$((data_port + 4))
passed=0
failed=0

say() { printf '\n== %s\n' "$*"; }
finish() { printf '\n%d passed, %d failed\n' "$passed" "$failed"; ((failed == 0)); exit; }
stop() { printf '%s\n' "$@" >&2; failed=$((failed + 1)); finish; }
has() { command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 ]]; }
has_module() { has php && php --ri "$1" >/dev/null 2>&1; }
as_root() { if ((EUID == 0)); then "$@"; else /usr/bin/sudo -n "$@"; fi; }

# What the guides and this test call, each with the Debian package it comes from.
packages() {
    has curl || echo curl
    has haproxy || echo haproxy
    has ss || echo iproute2
    has mariadbd && has mariadb-install-db || echo mariadb-server
    has nginx || echo nginx-light
    has openssl || echo openssl
    has php || echo php-cli
    has_module curl || echo php-curl
    has_module mysqli && has_module pdo_mysql || echo php-mysql
    has python3 || echo python3
    [[ -n $(compgen -G '/usr/lib/*softhsm/libsofthsm2.so') ]] || echo softhsm2
    has setpriv && has runuser || echo util-linux
}

install_missing() {
    local wanted
    mapfile -t wanted < <(packages)
    ((${#wanted[@]})) || return 0
    say "installing ${wanted[*]}"
    # RUNLEVEL=1: Debian would start the system's own database and web servers at installation; this test has its own.
    as_root apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qqy --no-install-recommends "${wanted[@]}" >/dev/null
}

# On every way out, whatever was started ends: by its process id, the last first.
started=()
end() {
    local at
    for ((at = ${#started[@]} - 1; at >= 0; at--)); do
        as_root kill -TERM "${started[at]}" 2>/dev/null && wait "${started[at]}" 2>/dev/null
    done
    started=()
}
# shellcheck disable=SC2317 # the trap calls it
clean_up() {
    [[ -z ${work:-} ]] || sudo systemctl stop gembok-sidecar >/dev/null 2>&1
    end
    [[ -z ${work:-} ]] || as_root rm -rf -- "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# wait_until WHAT LOG COMMAND…: polls for a minute, and gives up at once when what was started last has ended.
wait_until() {
    local what=$1 log=$2 tries
    shift 2
    for ((tries = 0; tries < 600; tries++)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        [[ -d /proc/${started[-1]} ]] || break
        sleep 0.1
    done
    stop "waited until $what, in vain; the end of $log:" "$(tail -n 8 "$log")"
}

# gembok_start new, gembok_start again: a sandbox of Gembok, a new one or the one that is there.
gembok_start() {
    [[ $1 = again ]] || rm -rf "$work/gembok"
    # Emptied before it is looked at: the background is not there yet.
    : >"$work/gembok.log"
    GEMBOK_SANDBOX=$work/gembok GEMBOK_DATA_PORT=$data_port GEMBOK_CONTROL_PORT=$control_port \
        provisioning/quickstart.sh --serve-only >"$work/gembok.log" 2>&1 &
    started+=($!)
    export GEMBOK_CONFIG=$work/gembok/gembok.toml
    wait_until 'Gembok serves' "$work/gembok.log" grep -q '^== serving' "$work/gembok.log"
}

# A MariaDB of this test's own; its administrator is whoever runs this, known by the socket, found through ~/.my.cnf.
database_start() {
    local user
    user=$(id -un)
    mariadb-install-db --no-defaults --user="$user" --datadir="$work/mariadb" --skip-test-db \
        --auth-root-authentication-method=socket --auth-root-socket-user="$user" >"$work/mariadb.log" 2>&1 ||
        stop 'mariadb-install-db failed:' "$(tail -n 8 "$work/mariadb.log")"
    mariadbd --no-defaults --user="$user" --datadir="$work/mariadb" --socket="$work/mariadb.sock" --skip-networking \
        --pid-file="$work/mariadb.pid" --innodb-buffer-pool-size=32M --performance-schema=off >>"$work/mariadb.log" 2>&1 &
    started+=($!)
    printf '[client]\nsocket=%s\n' "$work/mariadb.sock" >"$HOME/.my.cnf"
    wait_until 'the database answers' "$work/mariadb.log" mariadb --execute 'SELECT 1'
    chmod 666 "$work/mariadb.sock"
}

# What the reader of a guide has: an application of CodeIgniter 3, its table with rows, a web server.
reader_has() {
    local app=$work/www/absensi
    as_root rm -rf "${work:?}"/{www,etc}
    mkdir -p "$app/system" "$app/application"/{config,controllers,helpers,libraries,logs,models}
    if [[ -n ${CODEIGNITER:-} ]]; then
        # As its own guide has it: production, with errors logged.
        cp -r "$CODEIGNITER"/{application,system,index.php} "$app/"
        sed -i "s/: 'development'/: 'production'/" "$app/index.php"
        sed -i "s/\['log_threshold'\] = 0/['log_threshold'] = 1/" "$app/application/config/config.php"
    else
        cp "$tests/codeigniter/index.php" "$app/"
        cp "$tests/codeigniter/autoload.php" "$app/application/config/"
        cp "$tests/codeigniter/Database.php" clients/php/tests/codeigniter/Loader.php "$app/system/"
    fi
    cp -r "$tests/reader/application" "$app/"
    sed -i "s|@SOCKET@|$work/mariadb.sock|" "$app/application/config/database.php"
    as_root chown www-data "$app/application/logs"
    mariadb --execute "DROP DATABASE IF EXISTS absensi; DROP USER IF EXISTS 'www-data'@localhost"
    mariadb <"$tests/reader/schema.sql"
    php "$tests/reader/rows.php" "$tests/reader/application/libraries/Kripto_lama.php" "$work/meaning.json" | mariadb absensi
    (cd "$app" && exec "$tests/bin/sudo" -u www-data php -S "127.0.0.1:$web_port" index.php) >"$work/web.log" 2>&1 &
    started+=($!)
    wait_until 'the web server answers' "$work/web.log" is_open "$web_port"
}

# document GUIDE: runs its blocks where its words mean this test's places.
document() {
    local good bad
    say "$1"
    rm -f "$work/counts"
    rm -rf "$work/desk" && mkdir "$work/desk"
    nice -n 19 python3 "$tests/document.py" run "docs/$1" --directory "$work/desk" --counts "$work/counts" \
        --replace "/etc/absensi|$work/etc/absensi" --replace "/var/www/absensi|$work/www/absensi" \
        --replace "/usr/local/src/gembok|$root" --replace "/usr/local/src/gembok/docs/sidecar|$work/sidecar" \
        --replace "/etc/gembok-sidecar|$work/etc/gembok-sidecar" --replace "/run/gembok-sidecar|$work/run/gembok-sidecar" \
        --replace "/etc/systemd/system|$work/units" --replace "-o gembok-sidecar|-o $sidecar_user" \
        --replace "10.0.0.5 port 8443|127.0.0.1 port $data_port" --replace "10.0.0.5:8443|127.0.0.1:$data_port" \
        --replace "dport = :8443|dport = :$data_port" --replace "127.0.0.1:8444|127.0.0.1:$tls_port" \
        --replace "gembok.lan|localhost" --replace "http://absensi.lan|http://127.0.0.1:$web_port"
    read_counts "$1"
}

# What document.py counted; whether all was well.
read_counts() {
    if read -r good bad 2>/dev/null <"$work/counts"; then
        passed=$((passed + good)) failed=$((failed + bad))
    else
        echo "$1 did not come to its end" >&2
        bad=1 failed=$((failed + 1))
    fi
    ((bad == 0))
}

check() {
    local what=$1
    shift
    if "$@"; then
        printf '  ok      %s\n' "$what" && passed=$((passed + 1))
    else
        printf '  FAILED  %s\n' "$what" && failed=$((failed + 1))
    fi
}

pair() {
    local good bad
    rm -f "$work/counts"
    python3 "$tests/document.py" pair "docs/$1.id.md" "docs/$1.en.md" --counts "$work/counts"
    read_counts "$1"
}

codeigniter3() {
    gembok_start new
    database_start
    reader_has
    if document "$1"; then
        check 'every old value reads as it did' "$tests/bin/sudo" -u www-data php "$tests/reader/meaning.php" "$work"
        check "the table's file has no plaintext left" no_plaintext_in "$work/mariadb/absensi/karyawan.ibd"
    else
        tail -n 5 "$work"/www/absensi/application/logs/*.php 2>/dev/null
    fi
    end
    rm -rf "$work/mariadb"
}

# shellcheck disable=SC2317 # check calls it
# All pages written out, then the file searched. It has envelopes, so it is the right file.
no_plaintext_in() {
    mariadb --execute 'FLUSH TABLES absensi.karyawan FOR EXPORT' &&
        grep -q R0IB "$1" && ! grep -q -a -E 'Bhayangkara|Santoso|3372[0-9]{12}' "$1"
}

sidecar() {
    gembok_start new
    as_root rm -rf "${work:?}"/{www,etc,sidecar} "$work"/units/*
    mkdir -p "$work/sidecar" "$work/www/absensi/application/third_party"
    cp -r clients/php "$work/www/absensi/application/third_party/gembok"
    # The files as they are, except for what differs from machine to machine.
    local file
    for file in docs/sidecar/*; do
        sed -e "s|/etc/gembok-sidecar|$work/etc/gembok-sidecar|g; s|/run/gembok-sidecar|$work/run/gembok-sidecar|g" \
            -e "s|10\.0\.0\.5:8443|127.0.0.1:$data_port|g; s|gembok\.lan|localhost|g; s|127\.0\.0\.1:8444|127.0.0.1:$tls_port|g" \
            -e "s|^User=gembok-sidecar|User=$sidecar_user|" "$file" >"$work/sidecar/${file##*/}"
    done
    if document "$1"; then sidecar_checks; fi
    sudo systemctl stop gembok-sidecar
    end
}

# shellcheck source=/dev/null
source "$tests/sidecar.sh"

as_root true 2>/dev/null || stop 'this test needs root, or sudo without a password'
install_missing || stop 'what is missing could not be installed'
for port in "$data_port" "$control_port" "$web_port" "$tls_port" "$dying_port"; do
    ! is_open "$port" || stop "port $port on 127.0.0.1 is in use; choose others: GEMBOK_DATA_PORT=… $0"
done
if [[ -z ${GEMBOK_BIN:-} ]]; then
    has cargo || stop 'there is neither GEMBOK_BIN nor cargo'
    cargo build --release --locked --package gembok --bin gembok || stop 'gembok was not built'
    GEMBOK_BIN=${CARGO_TARGET_DIR:-$root/target}/release/gembok
fi
GEMBOK_BIN=$(realpath -- "$GEMBOK_BIN")
export GEMBOK_BIN

# Others may pass through, and read what is for them; the rest is closed by its own mode.
work=$(mktemp -d /tmp/gembok-docs.XXXXXX) && chmod 711 "$work" || exit 1
mkdir -m 711 "$work/home" "$work/run" "$work/units" "$work/bin"
ln -s "$GEMBOK_BIN" "$work/bin/gembok"
# A user that is nobody's: what the guide makes by useradd, without changing this machine.
sidecar_user=64042
export HOME=$work/home PATH=$tests/bin:$work/bin:$PATH:/usr/sbin:/sbin
export SIDECAR_UNITS=$work/units SIDECAR_RUN=$work/run

guides=("$@")
((${#guides[@]})) || guides=(codeigniter3.id.md codeigniter3.en.md sidecar.id.md sidecar.en.md)
for guide in "${guides[@]}"; do
    case $guide in
        codeigniter3.*.md) codeigniter3 "$guide" ;;
        sidecar.*.md) sidecar "$guide" ;;
        *) stop "there is no guide $guide" ;;
    esac
done
if (($# == 0)); then
    say 'two languages'
    pair codeigniter3
    pair sidecar
fi
finish
