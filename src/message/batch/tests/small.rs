//! Records of two bytes.

use super::*;

/// `count` records of two bytes, with a comma before those for which `comma` is true.
fn tiny(count: usize, comma: impl Fn(usize) -> bool) -> String {
    let records = (0..count).map(|index| if comma(index) { ",{}" } else { "{}" });
    format!("{{\"records\":[{}]}}", records.collect::<String>())
}

#[test]
fn a_message_has_a_bounded_number_of_slices() {
    // The first record of a run is never contiguous, so a comma before it changes nothing.
    for blob in [tiny(5000, |_| false), tiny(5000, |index| index % 3 == 1), tiny(3000, |index| index < 1500)]
    {
        let records = oracle::cut(Cutter::from_start(), blob.as_bytes(), &[]).records;
        let expected = naive(blob.as_bytes(), &records, 1 << 20);
        let outputs = pack(Cutter::from_start(), blob.as_bytes(), 1 << 20);
        assert_eq!(outputs, expected);
        for (index, output) in outputs.iter().enumerate() {
            let (Output::Message { range, .. } | Output::NeverFits(range)) = output;
            let tail = &blob.as_bytes()[usize::try_from(range.end).unwrap()..];
            assert_eq!(pack(Cutter::after_record(range.end), tail, 1 << 20), outputs[index + 1..]);
        }
    }
}

#[test]
fn records_of_two_bytes_cost_little_more_than_their_bytes() {
    for comma in [false, true] {
        let blob = tiny(1_000_000, |index| comma && index > 0);
        let mut cutter = Cutter::from_start();
        cutter.push(blob.into());
        let mut packer = Packer::new(1 << 20);
        let (mut pieces, mut bytes, mut messages) = (0, 0, 0);
        while let Some(record) = cutter.next_record().unwrap() {
            let Packed::Full(plan) = packer.add(&record) else { continue };
            let end = plan.range.end;
            let message = plan.message(&cutter).unwrap();
            cutter.release(end);
            pieces += message.body.pieces().count();
            bytes += message.body.len();
            messages += 1;
        }
        assert!(bytes > 2_000_000 && pieces <= bytes / 2048 + messages, "{pieces} pieces of {bytes} bytes");
    }
}
