# shellcheck shell=bash disable=SC2034,SC2154 # the parts share variables
# A LAN of four hosts on this machine: network namespaces with one bridge between them, which is in a namespace too, so that
# the machine's own network is not touched. Sourced.

readonly USER_HOST=10.77.0.10 APP_HOST=10.77.0.20 DATABASE_HOST=10.77.0.30 GEMBOK_HOST=10.77.0.40
readonly LAN=absensi-lan HOSTS=(absensi-user absensi-app absensi-database absensi-gembok)

lan_up() {
  local host number=0
  [[ $(ip netns list) == *absensi-* ]] && stop 'there are network namespaces absensi-* already' \
    "another run made them; when it is over: for n in ${HOSTS[*]} $LAN; do ip netns del \$n; done"
  on_exit+=(lan_down)
  ip netns add "$LAN"
  ip -n "$LAN" link add lan type bridge
  ip -n "$LAN" link set lan up
  for host in "${HOSTS[@]}"; do
    number=$((number + 10))
    ip netns add "$host"
    ip -n "$host" link add eth0 type veth peer name "port$number" netns "$LAN"
    ip -n "$LAN" link set "port$number" master lan up
    ip -n "$host" address add "10.77.0.$number/24" dev eth0
    ip -n "$host" link set lo up
    ip -n "$host" link set eth0 up
  done
}

lan_down() {
  local host
  for host in "${HOSTS[@]}" "$LAN"; do ip netns del "$host" 2>/dev/null || true; done
}

on() { ip netns exec "$@"; }

# admit HOST ADDRESS PORT: of the LAN only this address may come in, and only to this port; everything else is refused.
admit() {
  on "$1" nft -f - <<RULES
flush ruleset
table inet gate {
  chain input {
    type filter hook input priority filter; policy drop;
    iif lo accept
    ct state established,related accept
    ip saddr $2 tcp dport $3 accept
    meta l4proto tcp reject with tcp reset
  }
}
RULES
}

# capture HOST FILE: all that goes through the host's network card, from now until it is told to end.
captures=()
capture() {
  ip netns exec "$1" tcpdump -i eth0 --immediate-mode -U -w "$2" >"$2.log" 2>&1 &
  local pid=$!
  captures+=("$pid")
  wait_until 'it captures' "$pid" "$2.log" grep -q 'listening on' "$2.log"
}
end_captures() {
  local pid
  for pid in "${captures[@]}"; do end_process "$pid"; done
  captures=()
}
