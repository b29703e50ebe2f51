//! `gembok`: the daemon and the operator's way to it.

/// Pages of key material are wiped before they are freed, so the allocator only has to be fast.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    gembok::cli::run()
}
