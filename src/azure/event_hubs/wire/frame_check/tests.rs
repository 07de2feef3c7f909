use super::*;
use fe2o3_amqp::types::primitives::Value;
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes of a list that holds `inner` alone.
fn list(inner: &[u8]) -> Vec<u8> {
    let size = u32::try_from(inner.len() + 4).unwrap().to_be_bytes();
    [&[0xD0], &size[..], &1_u32.to_be_bytes(), inner].concat()
}

/// `depth` nested values.
fn nested(depth: usize) -> Vec<u8> {
    (1..depth).fold(vec![0x45], |inner, _| list(&inner))
}

fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&length[..], &[2, 0, 0, 0], body].concat()
}

#[test]
fn a_frame_length_out_of_bounds_is_refused_at_once() {
    for length in 0..8_u32 {
        assert_eq!(FrameCheck::default().push(&length.to_be_bytes()), Err(FrameError::Length(length)));
    }
    let longer = MAX_FRAME_BYTES + 1;
    assert_eq!(FrameCheck::default().push(&longer.to_be_bytes()), Err(FrameError::Length(longer)));
    assert_eq!(FrameCheck::default().push(&frame(&[])), Ok(()));
}

#[test]
fn a_header_that_contradicts_itself_is_refused() {
    for header in [[1, 0], [0, 0], [3, 0], [255, 0], [2, 2], [2, 255]] {
        let bytes = [&[0, 0, 0, 8], &header[..], &[0, 0]].concat();
        assert_eq!(FrameCheck::default().push(&bytes), Err(FrameError::Header), "{header:?}");
    }
    let extended = [&[0, 0, 0, 13, 3, 0, 0, 0, 9, 9, 9, 9][..], &[0x40]].concat();
    assert_eq!(FrameCheck::default().push(&extended), Ok(()));
}

#[test]
fn values_nested_too_deep_are_refused() {
    assert_eq!(check_body(&nested(MAX_DEPTH + 1)), Ok(()));
    assert_eq!(check_body(&nested(MAX_DEPTH + 2)), Err(FrameError::Depth));
    assert_eq!(check_body(&nested(1500)), Err(FrameError::Depth));
    let described = [[0x00, 0x53, 0x01].repeat(5_000), vec![0x40]].concat();
    assert_eq!(check_body(&described), Err(FrameError::Depth));
    assert_eq!(check_body(&[0x00; 5_000]), Err(FrameError::Depth));
    // Arrays of symbols and of lists; an empty array with and without a constructor.
    assert_eq!(check_body(&[0xE0, 6, 2, 0xA3, 1, b'a', 1, b'b', 0xE0, 7, 2, 0xC0, 2, 1, 0x40, 1, 0]), Ok(()));
    assert_eq!(check_body(&[0xE0, 1, 0, 0xE0, 2, 0, 0xA3, 0xF0, 0, 0, 0, 4, 0, 0, 0, 0]), Ok(()));
    // Values side by side are not nested.
    let wide = [[0x00, 0x53, 0x24, 0x45].repeat(100), nested(20)].concat();
    assert_eq!(check_body(&wide), Ok(()));
}

#[test]
fn a_body_without_whole_values_is_refused() {
    let bodies: [&[u8]; 12] = [
        &[0x01],
        &[0x53],
        &[0x00, 0x53, 0x10],
        &[0xC0, 3, 1, 0x40],
        &[0xC0, 2, 2, 0x40, 0x40],
        &[0xC0, 3, 1, 0x40, 0x40],
        &[0xC0, 0, 0],
        &[0xA1, 5, b'a'],
        &[0xB1, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0xD0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0],
        // An array of four billion nulls, and one of described values.
        &[0xF0, 0, 0, 0, 5, 0xFF, 0xFF, 0xFF, 0xFF, 0x40],
        &[0xE0, 4, 1, 0x00, 0x53, 1],
    ];
    for body in bodies {
        assert_eq!(check_body(body), Err(FrameError::Values), "{body:x?}");
    }
}

/// Values as the library writes them; without arrays as keys of maps, which it writes wrongly.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u8>().prop_map(Value::Ubyte),
        any::<i16>().prop_map(Value::Short),
        any::<u32>().prop_map(Value::Uint),
        any::<u64>().prop_map(Value::Ulong),
        any::<[u8; 16]>().prop_map(|bytes| Value::Uuid(bytes.into())),
        "[a-z]{0,300}".prop_map(Value::String),
        "[a-z:]{0,300}".prop_map(|text| Value::Symbol(text.into())),
        vec(any::<u8>(), 0..300).prop_map(|bytes| Value::Binary(bytes.into())),
        vec(any::<u32>(), 0..90)
            .prop_map(|all| Value::Array(all.into_iter().map(Value::Uint).collect::<Vec<_>>().into())),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let key = "[a-z]{0,9}".prop_map(|text| Value::Symbol(text.into()));
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::List),
            vec((key, inner), 0..6).prop_map(|all| Value::Map(all.into_iter().collect())),
        ]
    })
}

fn written(values: &[Value]) -> Vec<u8> {
    values.iter().flat_map(|value| serde_amqp::to_vec(value).unwrap()).collect()
}

proptest! {
    #[test]
    fn the_librarys_own_frames_pass_in_any_pieces(
        bodies in vec(vec(value(), 0..4), 1..4),
        cuts in vec(1_usize..400, 1..40),
        rooms in vec(1_usize..700, 1..40),
    ) {
        let frames = bodies.iter().map(|body| frame(&written(body))).filter(|frame| frame.len() <= 16 << 10);
        let sent = [b"AMQP\x03\x01\x00\x00".to_vec(), frames.collect::<Vec<_>>().concat()].concat();
        let (mut check, mut seen, mut rest) = (FrameCheck::default(), Vec::new(), &sent[..]);
        let (mut cuts, mut rooms) = (cuts.iter().cycle(), rooms.iter().cycle());
        while !rest.is_empty() {
            let (piece, others) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            check.push(piece).unwrap();
            rest = others;
            seen.extend_from_slice(check.take(*rooms.next().unwrap()));
        }
        loop {
            let more = check.take(50);
            if more.is_empty() { break }
            seen.extend_from_slice(more);
        }
        prop_assert_eq!(seen, sent);
    }

    #[test]
    fn any_bytes_are_checked_without_a_panic(bytes in vec(prop_oneof![any::<u8>(), Just(0), Just(0xC0), Just(0xE0), Just(0xF0)], 0..300)) {
        let _ = check_body(&bytes);
        let mut check = FrameCheck::default();
        if check.push(&bytes).is_ok() {
            let passed = check.take(usize::MAX).len();
            prop_assert!(passed <= bytes.len());
        }
    }
}
