//! The contract of the second copy of watermarks: on the twin and on Azurite.

use crate::support::blobs::container;
use crate::support::memory::MemoryWatermarkCopy;
use crate::support::rig::Rig;
use flowlog_forwarder::azure::storage::{AzureWatermarkCopy, http_client};
use flowlog_forwarder::flow_log::Container;
use flowlog_forwarder::hour::Hour;
use flowlog_forwarder::ports::watermark_copy::WatermarkCopy;

async fn the_last_hour_of_each_container_is_kept(copy: &impl WatermarkCopy) {
    let ours = container();
    let other = Container::new(ours.account().clone(), "other".to_owned());
    assert_eq!(copy.load(&ours).await.unwrap(), None, "no copy, or no container for it");
    for hour in [498_705, 498_706, 498_700] {
        copy.store(&ours, Hour::new(hour)).await.unwrap();
        assert_eq!(copy.load(&ours).await.unwrap(), Some(Hour::new(hour)));
    }
    assert_eq!(copy.load(&other).await.unwrap(), None);
    copy.store(&other, Hour::new(1)).await.unwrap();
    assert_eq!(copy.load(&ours).await.unwrap(), Some(Hour::new(498_700)));
}

#[tokio::test]
async fn memory_keeps_the_last_hour_of_each_container() {
    the_last_hour_of_each_container_is_kept(&MemoryWatermarkCopy::default()).await;
}

#[tokio::test]
async fn azure_storage_keeps_the_last_hour_of_each_container() {
    let rig = Rig::own(&[]).await;
    let copy = AzureWatermarkCopy::new(&rig.config().checkpoints, &http_client().unwrap()).unwrap();
    the_last_hour_of_each_container_is_kept(&copy).await;
}
