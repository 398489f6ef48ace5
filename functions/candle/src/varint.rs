//! Whole numbers in 1 to 10 bytes, 7 bits a byte, the low ones first; the high bit marks that more
//! follow (LEB128).

/// Appends a number in its shortest form.
pub(crate) fn push(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// The number of bytes that [`push`] appends.
pub(crate) fn len(value: u64) -> usize {
    // Between 1 and 10.
    (64 - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// Takes a number off the front. `None` if it is cut short, above 64 bits, or not in its shortest
/// form.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            let minimal = *byte != 0 || shift == 0;
            return minimal.then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, u64::MAX >> 1, u64::MAX] {
            let mut bytes = Vec::new();
            push(&mut bytes, value);
            assert_eq!(len(value), bytes.len());
            let mut rest = bytes.as_slice();
            assert_eq!(take(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn each_number_has_one_form() {
        for mut bytes in [[].as_slice(), &[0x80], &[0x80, 0x00], &[0xff, 0x00]] {
            assert_eq!(take(&mut bytes), None);
        }
        let above_64_bits = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(take(&mut above_64_bits.as_slice()), None);
        assert_eq!(take(&mut [0xff; 11].as_slice()), None);
    }
}
