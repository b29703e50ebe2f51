//! Which passwords are taken: by length, and not those that everybody tries first (NIST SP 800-63B §5.1.1.2). There are no rules
//! of composition: they make passwords shorter and no better. A password is taken byte for byte as it was sent.

use super::refusal::{Code, Refusal};

/// Fewest characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Most characters.
pub const PASSWORD_CHARS_MAX: usize = 128;
/// Distinct characters that make a password more than a pattern.
const DISTINCT_MIN: usize = 5;

/// The commonest of at least twelve characters, in lower case: what is shorter is refused anyway.
const COMMONEST: [&str; 40] = [
    "1q2w3e4r5t6y",
    "1q2w3e4r5t6y7u8i",
    "1qaz2wsx3edc",
    "1qaz2wsx3edc4rfv",
    "abcd12345678",
    "abcdefghijkl",
    "admin1234567",
    "administrator",
    "adminadmin123",
    "akucintakamu",
    "asdfghjkl123",
    "bismillah123",
    "bismillahirrahmanirrahim",
    "changeme1234",
    "correct horse battery staple",
    "correcthorsebatterystaple",
    "indonesia123",
    "indonesia1945",
    "iloveyou1234",
    "katasandi123",
    "letmein12345",
    "p@ssw0rd1234",
    "p@ssword1234",
    "passw0rd1234",
    "password1234",
    "password12345",
    "password123456",
    "passwordpassword",
    "qazwsxedcrfv",
    "qwerty123456",
    "qwertyqwerty",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiop[]",
    "qwertyuiopasdfghjkl",
    "rahasia12345",
    "sayangkamu123",
    "superman1234",
    "welcome12345",
    "zxcvbnm12345",
];

/// Refuses a password that is too short, too long, or too easy for the account `name`.
///
/// # Errors
/// `weak-password`, with what is wrong.
pub fn check_password(password: &str, name: &str) -> Result<(), Refusal> {
    let weak = |detail: String| Err(Refusal::new(Code::WeakPassword).detail(detail));
    let count = password.chars().count();
    if count < PASSWORD_CHARS_MIN {
        return weak(format!("The password has {count} characters; the fewest are {PASSWORD_CHARS_MIN}."));
    }
    if count > PASSWORD_CHARS_MAX {
        return weak(format!("The password has more than {PASSWORD_CHARS_MAX} characters."));
    }
    let lower = password.to_lowercase();
    let bare = lower.trim_end_matches(['!', '.', '?', '*', '#']);
    if COMMONEST.iter().any(|common| *common == lower || *common == bare) {
        return weak("The password is one of those that everybody tries first.".into());
    }
    let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
    let codes: Vec<u32> = lower.chars().map(u32::from).collect();
    let steps = |by: u32| codes.windows(2).filter(|two| two[0].wrapping_add(by) == two[1]).count();
    if distinct.len() < DISTINCT_MIN || steps(1) * 2 > count || steps(u32::MAX) * 2 > count {
        return weak("The password is a simple pattern.".into());
    }
    let rest = lower.replace(&name.to_lowercase(), "").replace("gembok", "").chars().count();
    if rest < PASSWORD_CHARS_MIN.min(count) / 2 {
        return weak("The password is little more than the account's own name, or ours.".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_what_counts_and_patterns_are_none() {
        for good in [
            "empat kata acak benar",
            "kuda baterai",
            "x9!kd03jfl2q",
            &"kata sandi ".repeat(11),
            "ѻѿҁ҃ѽѹѷѵѳѱѯѭ",
        ] {
            assert_eq!(check_password(good, "siti"), Ok(()), "{good}");
        }
        for (bad, word) in [
            ("sebelas hrf", "11 characters"),
            (&*"kata sandi ".repeat(12), "more than 128"),
            ("Password1234", "first"),
            ("PASSWORD1234!", "first"),
            ("aaaaaaaaaaaaa", "pattern"),
            ("abababababababab", "pattern"),
            ("123456789012345", "pattern"),
            ("abcdefghijklmn", "pattern"),
            ("zyxwvutsrqponm", "pattern"),
            ("siti-hartono-1", "name"),
            ("Siti-Hartono.siti-hartono", "name"),
            ("gembokgembok12345", "name"),
        ] {
            let refusal = check_password(bad, "siti-hartono").unwrap_err();
            assert!(refusal.detail.as_deref().unwrap().contains(word), "{bad}: {refusal}");
        }
    }

    #[test]
    fn the_commonest_are_in_order_and_long_enough_to_need_a_list() {
        assert!(COMMONEST.iter().all(|common| common.chars().count() >= PASSWORD_CHARS_MIN));
        assert!(COMMONEST.iter().all(|common| *common == common.to_lowercase()));
    }
}
