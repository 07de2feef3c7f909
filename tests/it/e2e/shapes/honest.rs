//! Honest load.

use super::content::Content;
use super::{HONEST, Shape, play_all};
use crate::support::records::record;
use futures_util::FutureExt as _;

/// The records of one minute, about 60 kB.
fn minute() -> String {
    (0..8).map(|number| record(number, 100)).collect::<Vec<_>>().join(",")
}

fn shapes() -> Vec<Shape> {
    vec![
        Shape::new("a blob of 512 MB", HONEST, |setup| {
            async move {
                let minute = minute();
                let count = 512_000_000 / (minute.len() as u64 + 1);
                let content = Content::of("{\"records\":[").times(count, &format!("{minute},"));
                let event = setup.commit(&setup.blob(), content.then(&minute).then("]}"));
                let answer = setup.deliver(&event).await;
                setup.expect(answer == Some(200), || format!("the answer: {answer:?}"));
            }
            .boxed()
        }),
        Shape::new("256 events at once, each of a minute's block", HONEST, |setup| {
            async move {
                let content = Content::of("{\"records\":[").then(&minute()).then("]}");
                let events: Vec<_> = (0..256).map(|_| setup.commit(&setup.blob(), content.clone())).collect();
                setup.deliver_all(&events).await;
            }
            .boxed()
        }),
        Shape::new("16 events at once, each of 16 MB", HONEST, |setup| {
            async move {
                let minute = minute();
                let count = 16_000_000 / (minute.len() as u64 + 1);
                let content = Content::of("{\"records\":[").times(count, &format!("{minute},"));
                let content = content.then(&minute).then("]}");
                let events: Vec<_> = (0..16).map(|_| setup.commit(&setup.blob(), content.clone())).collect();
                setup.deliver_all(&events).await;
            }
            .boxed()
        }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_load_takes_no_more_than_64_mib() {
    play_all(&["--partitions", "1"], shapes()).await;
}
