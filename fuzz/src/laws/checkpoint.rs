//! Checkpoints: one text and one line for one value.

use gembok::crypto::checkpoint::Checkpoint;

/// For any text, read as seven lines and as one.
#[must_use]
pub fn hold(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let (whole, line) = (Checkpoint::parse(text), Checkpoint::parse_line(text));
    if let Ok(checkpoint) = &whole {
        assert_eq!(checkpoint.to_text(), text, "parse and write are inverse");
        assert_eq!(text.lines().count(), 7);
        let line = checkpoint.to_line();
        assert!(!line.contains('\n'));
        assert!(Checkpoint::parse_line(&line).is_ok_and(|again| again == *checkpoint));
    }
    if let Ok(checkpoint) = &line {
        assert_eq!(checkpoint.to_line(), text, "parse and write are inverse");
        assert!(Checkpoint::parse(&checkpoint.to_text()).is_ok_and(|again| again == *checkpoint));
    }
    whole.is_ok() || line.is_ok()
}
