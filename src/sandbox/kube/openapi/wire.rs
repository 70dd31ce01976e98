//! Writes protobuf: as much as a message of texts, flags and other messages needs.

#[derive(Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Writes a text; an empty one is left out.
    pub fn text(&mut self, field: u64, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    pub fn flag(&mut self, field: u64, flag: bool) {
        if flag {
            self.varint(field << 3);
            self.varint(1);
        }
    }

    pub fn message(&mut self, field: u64, write: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_above_seven_bits_takes_two_bytes() {
        let mut message = Message::default();
        message.message(19, |inner| inner.text(1, &"a".repeat(200)));
        message.flag(2, true);
        message.flag(3, false);
        assert_eq!(message.0[..7], [0x9a, 0x01, 0xcb, 0x01, 0x0a, 0xc8, 0x01]);
        assert_eq!(message.0[message.0.len() - 2..], [0x10, 0x01]);
    }
}
