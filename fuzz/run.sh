#!/usr/bin/env bash
# Fuzzes one law with libFuzzer: coverage and the address sanitizer, which need a nightly compiler and a C++ compiler.
#
#   fuzz/run.sh TARGET [SECONDS]     TARGET is a folder of fuzz/corpus; 600 seconds unless told
#   fuzz/run.sh --build              builds only
#
# New inputs go to target/fuzz/TARGET, where the next run finds them; an input that breaks the law, to
# target/fuzz/artifacts. The committed corpus is read and never written.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
build() {
    CARGO_TARGET_DIR=$target/build CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true \
        RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1" \
        cargo +nightly build --quiet --locked --release --target "$host" -p gembok-fuzz --features libfuzzer --bin libfuzzer
}

case ${1:-} in
    '' | -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 2 ;;
    --build) build; exit ;;
esac
name=$1 seconds=${2:-600}
if [[ ! -d fuzz/corpus/$name ]]; then
    echo "there is no law $name; there are: $(cd fuzz/corpus && echo *)" >&2
    exit 2
fi
build
mkdir -p "$target/$name" "$target/artifacts"
GEMBOK_FUZZ_TARGET=$name "$target/build/$host/release/libfuzzer" "$target/$name" "fuzz/corpus/$name" \
    -max_total_time="$seconds" -max_len=65536 -malloc_limit_mb=64 -rss_limit_mb=1024 -timeout=5 -print_final_stats=1 \
    -artifact_prefix="$target/artifacts/$name-"
