#![allow(clippy::unwrap_used)]

mod small;

use super::*;
use crate::flow_log::cut::arbitrary::{blob, object, rooted_blob, space, value};
use crate::flow_log::cut::oracle;
use crate::message::{BODY_PREFIX, BODY_SUFFIX, max_body};
use proptest::prelude::*;

/// What the packer makes of a blob's records, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Output {
    Message { range: Range<u64>, records: usize, body: Vec<u8> },
    NeverFits(Range<u64>),
}

/// Packs the records that `cutter` finds in `bytes`, and builds every message.
fn pack(mut cutter: Cutter, bytes: &[u8], max_body: u64) -> Vec<Output> {
    cutter.push(Bytes::copy_from_slice(bytes));
    let mut packer = Packer::new(max_body);
    let mut outputs = Vec::new();
    let output = |plan: MessagePlan, cutter: &Cutter| {
        let (records, length) = (plan.records, plan.body_length());
        let message = plan.message(cutter).unwrap();
        assert_eq!(message.body.len() as u64, length);
        assert!(length <= max_body);
        Output::Message { range: message.range, records, body: message.body.to_bytes().to_vec() }
    };
    while let Some(record) = cutter.next_record().unwrap() {
        match packer.add(&record) {
            Packed::Fits => {}
            Packed::Full(plan) => outputs.push(output(plan, &cutter)),
            Packed::NeverFits(before) => {
                outputs.extend(before.map(|plan| output(plan, &cutter)));
                outputs.push(Output::NeverFits(record.range));
            }
        }
    }
    let last = packer.finish(cutter.closed());
    outputs.extend(last.map(|plan| output(plan, &cutter)));
    assert_eq!(packer.finish(cutter.closed()), None);
    outputs
}

fn slice(bytes: &[u8], range: &Range<u64>) -> Vec<u8> {
    bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].to_vec()
}

/// Packs by trial: for each message, the longest run of records whose body is short enough.
fn naive(blob: &[u8], records: &[Record], max_body: u64) -> Vec<Output> {
    let body = |run: &[Record]| {
        let mut body = BODY_PREFIX.to_vec();
        for (index, record) in run.iter().enumerate() {
            match index {
                0 => {}
                _ if record.contiguous => {
                    body.extend(slice(blob, &(run[index - 1].range.end..record.range.start)));
                }
                _ => body.push(b','),
            }
            body.extend(slice(blob, &record.range));
        }
        body.extend(BODY_SUFFIX);
        body
    };
    let mut outputs = Vec::new();
    let mut rest = records;
    while let Some(first) = rest.first() {
        let slices = |run: &[Record]| 1 + run[1..].iter().filter(|record| !record.contiguous).count();
        let near = |run: &[Record]| run.windows(2).all(|two| two[1].range.start - two[0].range.end <= 1024);
        let fits = |run: &[Record]| slices(run) <= 1024 && near(run) && body(run).len() as u64 <= max_body;
        let fits = (1..=rest.len()).take_while(|count| fits(&rest[..*count])).last();
        let (run, later) = rest.split_at(fits.unwrap_or(1));
        outputs.push(match (fits, run.last()) {
            (Some(records), Some(last)) => {
                Output::Message { range: first.range.start..last.range.end, records, body: body(run) }
            }
            _ => Output::NeverFits(first.range.clone()),
        });
        rest = later;
    }
    outputs
}

/// A blob with any separators that the cutter tolerates.
fn sloppy_blob() -> impl Strategy<Value = String> {
    let wide = (1000usize..1060, any::<bool>())
        .prop_map(|(length, comma)| " ".repeat(length) + if comma { "," } else { "" });
    let separator = prop_oneof![6 => Just(",".to_owned()), 2 => "[ ,\n]{0,5}", 1 => wide];
    let records = prop::collection::vec((separator, object(value().boxed())), 0..12);
    (records, space()).prop_map(|(records, end)| {
        let records: String =
            records.iter().flat_map(|(separator, record)| [separator, record]).cloned().collect();
        format!("{{\"records\":[{records}]}}{end}")
    })
}

fn any_blob() -> impl Strategy<Value = String> {
    prop_oneof![blob(), sloppy_blob(), rooted_blob().prop_map(|(blob, _)| blob)]
}

/// Limits at which the generated blobs make one message or several.
fn limit() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0u64..400, 1 => 0u64..8000]
}

proptest! {
    #[test]
    fn messages_are_packed_as_by_trial(blob in any_blob(), max_body in limit()) {
        let blob = blob.as_bytes();
        let found = oracle::cut(Cutter::from_start(), blob, &[]);
        let whole = found.closed.unwrap();
        let mut expected = naive(blob, &found.records, max_body);
        if let [Output::Message { body, .. }] = expected.as_mut_slice() && whole.verbatim && whole.end <= max_body {
            *body = blob.to_vec();
        }
        prop_assert_eq!(pack(Cutter::from_start(), blob, max_body), expected);
    }

    #[test]
    fn every_body_is_json_with_the_records_byte_for_byte(blob in any_blob(), max_body in limit()) {
        let blob = blob.as_bytes();
        let records = oracle::cut(Cutter::from_start(), blob, &[]).records;
        let mut forwarded = Vec::new();
        for output in pack(Cutter::from_start(), blob, max_body) {
            match output {
                Output::Message { body, records, .. } => {
                    let inside = oracle::records(&body).unwrap();
                    prop_assert_eq!(inside.len(), records);
                    forwarded.extend(inside.iter().map(|range| slice(&body, range)));
                }
                Output::NeverFits(range) => forwarded.push(slice(blob, &range)),
            }
        }
        let expected: Vec<_> = records.iter().map(|record| slice(blob, &record.range)).collect();
        prop_assert_eq!(forwarded, expected);
    }

    #[test]
    fn a_run_restarted_at_any_boundary_packs_the_same_messages(
        blob in any_blob(), max_body in limit(),
    ) {
        let outputs = pack(Cutter::from_start(), blob.as_bytes(), max_body);
        for (index, output) in outputs.iter().enumerate() {
            let (Output::Message { range, .. } | Output::NeverFits(range)) = output;
            let tail = &blob.as_bytes()[usize::try_from(range.end).unwrap()..];
            let again = pack(Cutter::after_record(range.end), tail, max_body);
            prop_assert_eq!(&again, &outputs[index + 1..]);
        }
    }

    #[test]
    fn a_valid_blob_that_fits_is_sent_verbatim(blob in blob()) {
        let found = oracle::cut(Cutter::from_start(), blob.as_bytes(), &[]);
        let outputs = pack(Cutter::from_start(), blob.as_bytes(), blob.len() as u64);
        if found.closed.unwrap().verbatim && !found.records.is_empty() {
            let range = found.records[0].range.start..found.resume;
            let records = found.records.len();
            prop_assert_eq!(outputs, [Output::Message { range, records, body: blob.into_bytes() }]);
        }
    }

    #[test]
    fn a_run_that_ends_in_a_long_gap_moves_no_boundaries(
        blob in sloppy_blob(), place in any::<prop::sample::Index>(), max_body in limit(),
    ) {
        let outputs = pack(Cutter::from_start(), blob.as_bytes(), max_body);
        let mut cutter = Cutter::from_start();
        let (mut places, mut records) = (Vec::new(), 0);
        for place in 0..blob.len() {
            cutter.push(Bytes::copy_from_slice(&blob.as_bytes()[place..=place]));
            while cutter.next_record().unwrap().is_some() {
                records += 1;
            }
            places.extend(cutter.gap_resume_offset().filter(|_| records > 0));
        }
        prop_assert!(!places.contains(&(blob.len() as u64)));
        if !places.is_empty() {
            let (head, tail) = blob.as_bytes().split_at(usize::try_from(*place.get(&places)).unwrap());
            let mut found = pack(Cutter::from_start(), head, max_body);
            found.extend(pack(Cutter::after_record(head.len() as u64), tail, max_body));
            prop_assert_eq!(found, outputs);
        }
    }

    #[test]
    fn batches_fit_the_transfer_and_are_as_full_as_possible(
        lengths in prop::collection::vec(0usize..60, 0..12),
        transfer in 0usize..150, envelope in 0usize..20, message_overhead in 0usize..20,
    ) {
        let limits = Limits { transfer, envelope, message_overhead };
        let mut batcher = Batcher::new(limits, origin());
        let (mut batches, mut rejected) = (Vec::new(), Vec::new());
        for (index, length) in (0u64..).zip(&lengths) {
            match batcher.add(message(index, *length)) {
                Batched::Fits => {}
                Batched::Full(batch) => batches.push(batch),
                Batched::NeverFits(message) => rejected.push(message),
            }
        }
        batches.extend(batcher.finish());
        prop_assert!(batcher.finish().is_none());

        let size = |message: &Message| message_overhead + message.body.len();
        prop_assert!(rejected.iter().all(|message| envelope + size(message) > transfer));
        let total = |batch: &Batch| envelope + batch.messages.iter().map(size).sum::<usize>();
        prop_assert!(batches.iter().all(|batch| total(batch) <= transfer && !batch.messages.is_empty()));
        prop_assert!(batches.windows(2).all(|two| total(&two[0]) + size(&two[1].messages[0]) > transfer));
        let sent = batches.iter().flat_map(|batch| &batch.messages).map(|message| message.range.start);
        let back = rejected.iter().map(|message| message.range.start);
        prop_assert!(sent.clone().is_sorted() && back.clone().is_sorted());
        prop_assert_eq!(sent.chain(back).count(), lengths.len());
    }
}

fn origin() -> Arc<Origin> {
    let [source, etag, id_prefix] = ["https://a.blob.core.windows.net/c/b", "0x8D", "b"].map(str::to_owned);
    Arc::new(Origin { source, etag, partition_key: None, id_prefix })
}

fn message(index: u64, length: usize) -> Message {
    Message { body: Bytes::from(vec![b' '; length]).into(), range: index..index + 1, records: 1 }
}

#[test]
fn a_record_may_exactly_fill_a_message() {
    let record = |start, end| Record { range: start..end, contiguous: start > 12 };
    let mut packer = Packer::new(BODY_OVERHEAD + 10);
    assert_eq!(packer.max_record(), 10);
    assert_eq!(packer.add(&record(12, 22)), Packed::Fits);
    let Packed::NeverFits(Some(plan)) = packer.add(&record(23, 34)) else {
        panic!("an 11-byte record was accepted")
    };
    assert_eq!((plan.range, plan.records), (12..22, 1));
    // 4 + 1 + 5 bytes with the comma make exactly 10; the next record begins the next message.
    assert_eq!(packer.add(&record(35, 39)), Packed::Fits);
    assert_eq!(packer.add(&record(40, 45)), Packed::Fits);
    let Packed::Full(plan) = packer.add(&record(46, 50)) else { panic!("a full message accepted a record") };
    assert_eq!((plan.range.clone(), plan.records, plan.body_length()), (35..45, 2, BODY_OVERHEAD + 10));
    assert_eq!(packer.add(&record(51, 57)), Packed::Full(MessagePlan::of(&record(46, 50))));
}

#[test]
fn the_body_limit_is_the_links_or_the_configured_one() {
    let limits = Limits { transfer: 1000, envelope: 100, message_overhead: 50 };
    assert_eq!(max_body(limits, None), 850);
    assert_eq!(max_body(limits, Some(900)), 850);
    assert_eq!(max_body(limits, Some(899)), 849);
    assert_eq!(max_body(limits, Some(10)), 0);
    assert_eq!(max_body(Limits { transfer: 10, ..limits }, None), 0);
    assert!(matches!(
        Packer::new(0).add(&Record { range: 0..2, contiguous: false }),
        Packed::NeverFits(None)
    ));
    assert!(matches!(
        Packer::new(13).add(&Record { range: 5..5, contiguous: false }),
        Packed::NeverFits(None)
    ));
}

#[test]
fn a_blob_finished_early_is_not_sent_again_verbatim() {
    let mut packer = Packer::new(100);
    assert_eq!(packer.add(&Record { range: 12..14, contiguous: false }), Packed::Fits);
    assert_eq!(packer.finish(None).map(|plan| plan.range), Some(12..14));
    assert_eq!(packer.add(&Record { range: 15..17, contiguous: true }), Packed::Fits);
    let last = packer.finish(Some(Closed { end: 19, verbatim: true })).unwrap();
    assert_eq!((last.range.clone(), last.body_length()), (15..17, BODY_OVERHEAD + 2));
}

#[test]
fn a_blob_read_in_part_is_not_sent_verbatim() {
    let blob = b"{\"records\":[{} ,{}]}\n";
    let [Output::Message { body, range, .. }] = &pack(Cutter::from_start(), &blob[..18], 100)[..] else {
        panic!()
    };
    assert_eq!((body.as_slice(), range), (b"{\"records\":[{} ,{}]}".as_slice(), &(12..18)));
    let [Output::Message { body, range, .. }] = &pack(Cutter::after_record(14), &blob[14..], 100)[..] else {
        panic!()
    };
    assert_eq!((body.as_slice(), range), (b"{\"records\":[{}]}".as_slice(), &(16..18)));
}
