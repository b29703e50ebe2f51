#!/usr/bin/env bash
# Keeps a copy of what SoftHSM can lose, and puts it back. Run it before each start of the daemon, while nobody uses the
# tokens, as the user they belong to.
#
# SoftHSM writes each token's `token.object` (its label, serial number and both PINs' blobs) anew at every login: it empties
# the file and then writes it, in one piece and without a sync. A crash in between leaves it empty, and with that the token is
# gone. What lies in it changes only with a PIN, and its length does not: a file shorter than its copy was cut.
#
# Key files (`<uuid>.object`) are written when a key is made and read from then on; the copy has nothing secret that
# `token.object` has not. It is no backup: keep one of the whole folder on another machine.
set -euo pipefail

usage() {
  cat <<USAGE
usage: provisioning/keep-token.sh TOKENS

  TOKENS   the folder that softhsm2.conf names as directories.tokendir

For each token in it: copies a whole token.object to token.kept, or puts a cut one back from there.
USAGE
}

case ${1:-} in
  -h | --help) usage; exit ;;
esac
if (($# != 1)); then
  usage >&2
  exit 2
fi
if [[ ! -d $1 ]]; then
  echo "keep-token: $1 is not a directory. Name the one that softhsm2.conf calls directories.tokendir" >&2
  exit 1
fi

length() { stat -c %s -- "$1" 2>/dev/null || echo 0; }

# place FROM TO: TO is the old file or the new one, whole and durable, at any moment.
place() {
  (umask 077 && cp -- "$1" "$2.new")
  sync -- "$2.new"
  mv -f -- "$2.new" "$2"
  sync -- "$(dirname -- "$2")"
}

lost=0
for token in "$1"/*/; do
  [[ -d $token ]] || continue
  object=${token}token.object kept=${token}token.kept
  if (($(length "$object") > 0 && $(length "$object") >= $(length "$kept"))); then
    cmp -s -- "$object" "$kept" || place "$object" "$kept"
  elif [[ -s $kept ]]; then
    echo "keep-token: $object was cut by a crash; put back from $kept" >&2
    place "$kept" "$object"
  elif [[ -e $object ]]; then
    echo "keep-token: $object is empty and there is no $kept. Put it back from a backup of the folder" >&2
    lost=1
  fi
done
exit "$lost"
